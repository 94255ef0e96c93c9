# The folder of your own data: images/ and labels.csv, see docs/own_data.md. Set the environment
# variable WEAKTR_DATA or change this line.
import os

custom_root = os.environ.get('WEAKTR_DATA') or 'data/custom'
