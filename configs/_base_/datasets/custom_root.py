# The folder of your own data: images/ and labels.csv, see docs/own_data.md. Set the environment
# variable WEAKTR_DATA or change this line.
custom_root = '{{$WEAKTR_DATA:data/custom}}'
