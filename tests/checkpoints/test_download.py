"""Downloads against a server on this machine: complete, torn, changed, absent, unreachable."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from weaktr_mmseg.checkpoints import PUBLISHED, locate
from weaktr_mmseg.checkpoints.download import fetch
from weaktr_mmseg.checkpoints.safe_load import load_from_http
from weaktr_mmseg.utils.errors import WeakTrInputError

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves files by their names."""

    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path.startswith('/absent'):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header('Content-Length', str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:9999] if self.path.startswith('/torn') else CONTENT)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Address of the server; PyTorch's cache is ``tmp_path``."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    Handler.requests = []
    with HTTPServer(('127.0.0.1', 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{running.server_port}'
        running.shutdown()
        thread.join()


def left_in(folder) -> list[str]:
    return sorted(path.name for path in (folder / 'checkpoints').iterdir())


def test_complete_with_progress_and_once(server, tmp_path, capsys):
    path = locate(f'{server}/vit.pth?download=true')
    assert path == tmp_path / 'checkpoints/vit.pth'
    assert path.read_bytes() == CONTENT
    assert 'vit.pth' in capsys.readouterr().err
    assert locate(f'{server}/vit.pth') == path
    assert len(Handler.requests) == 1
    assert left_in(tmp_path) == ['vit.pth']


def test_published_hash_is_compared(server, tmp_path):
    fetch(f'{server}/good.pth', SHA256)
    fetch(f'{server}/short.pth', SHA256[:8])
    with pytest.raises(
        WeakTrInputError, match=rf'/bad\.pth: expected .* 0{{16}}\.\.\., got {SHA256[:16]}'
    ):
        fetch(f'{server}/bad.pth', '0' * 64)
    with pytest.raises(
        WeakTrInputError, match=r'/net-01234567\.pth: expected the SHA-256 01234567'
    ):
        locate(f'{server}/net-01234567.pth')
    assert left_in(tmp_path) == ['good.pth', 'short.pth']


def test_file_that_was_changed_since_is_named(server, tmp_path):
    fetch(f'{server}/vit.pth', SHA256).write_bytes(b'x')
    with pytest.raises(WeakTrInputError, match=r'vit\.pth, downloaded before; delete it: expected'):
        fetch(f'{server}/vit.pth', SHA256)


def test_torn_download_leaves_nothing(server, tmp_path):
    with pytest.raises(WeakTrInputError, match=r'torn\.pth: .* ends after 9999 of 1048576 bytes'):
        locate(f'{server}/torn.pth')
    assert left_in(tmp_path) == []


def test_absent_file_says_where_to_put_one(server, tmp_path):
    where = tmp_path / 'checkpoints/absent.pth'
    with pytest.raises(WeakTrInputError, match=f'HTTP Error 404.* put it at {where}') as caught:
        locate(f'{server}/absent.pth')
    assert '\n' not in str(caught.value)


def test_no_network_says_where_to_put_the_file_of_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))

    def refuse(*_, **__):
        raise socket.gaierror('Temporary failure in name resolution')

    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
    message = r'pretrain\.pth: cannot be downloaded .*put it at .*/dinov2_vits14_pretrain\.pth, or'
    with pytest.raises(WeakTrInputError, match=message):
        locate('dinov2-s')


def test_other_processes_wait_for_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '1')
    with pytest.raises(WeakTrInputError, match='was not downloaded by the first process'):
        fetch('http://127.0.0.1:9/vit.pth', cache=tmp_path)


@pytest.mark.parametrize(
    ('name', 'message'),
    [('dinov2_s', "did you mean 'dinov2-s'"), ('my/weights.pth', 'neither a file nor a name')],
)
def test_neither_name_nor_file(name, message):
    with pytest.raises(FileNotFoundError, match=f'^{name}: no such checkpoint.*{message}'):
        locate(name)


def test_path_and_home(tmp_path, monkeypatch):
    (tmp_path / 'x.pth').touch()
    monkeypatch.setenv('HOME', str(tmp_path))
    assert locate(tmp_path / 'x.pth') == tmp_path / 'x.pth'
    assert locate('~/x.pth') == tmp_path / 'x.pth'


def test_mmengine_reads_downloads_without_running_them(server, tmp_path, monkeypatch):
    class Call:
        def __reduce__(self):
            return os.getcwd, ()

    torch.save(dict(extra=Call()), tmp_path / 'evil.pth')
    monkeypatch.setattr('test_download.CONTENT', (tmp_path / 'evil.pth').read_bytes())
    with pytest.raises(WeakTrInputError, match=r'net\.pth: refused'):
        load_from_http(f'{server}/net.pth')


def test_readers_replace_those_of_mmengine_when_asked(monkeypatch):
    from weaktr_mmseg.checkpoints import use_safe_readers

    monkeypatch.setattr(CheckpointLoader, '_schemes', dict(CheckpointLoader._schemes))
    use_safe_readers()
    assert CheckpointLoader._schemes['https://'] is load_from_http


def test_hashes_and_addresses_have_the_right_form():
    assert PUBLISHED
    for name, address in PUBLISHED.items():
        url, _, sha256 = address.partition('#sha256=')
        assert url.startswith('https://') and '#' not in url, name
        assert set(sha256) <= set('0123456789abcdef'), name
        assert len(sha256) in (0, 64), name


def test_an_address_may_state_the_hash(server):
    path = locate(f'{server}/vit.pth#sha256={SHA256}')
    assert path.name == 'vit.pth' and path.read_bytes() == CONTENT
    path.unlink()
    with pytest.raises(WeakTrInputError, match=r'/vit\.pth: expected the SHA-256 0123'):
        locate(f'{server}/vit.pth#sha256=0123')
