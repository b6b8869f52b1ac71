"""A small Hugging Face hub on the loopback with one model, as far as a download of it asks."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Hub:
    """Serves the files of `folder` as the model `name`, whose branch main is at `commit`."""

    def __init__(self, name: str, folder: Path, commit: str) -> None:
        self.commit = commit
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def _answer(self) -> None:
                path = unquote(urlsplit(self.path).path)
                if path in (f"/api/models/{name}", f"/api/models/{name}/revision/main", self._at_commit("revision")):
                    siblings = [{"rfilename": file} for file in files]
                    return self._json({"id": name, "sha": hub.commit, "siblings": siblings})
                if path in (f"/api/models/{name}/tree/main", self._at_commit("tree")):
                    return self._json(
                        [{"type": "file", "path": f, "size": len(c), "oid": _oid(c)} for f, c in files.items()]
                    )
                start = f"/{name}/resolve/{hub.commit}/"
                if path.startswith(start) and path[len(start) :] in files:
                    content = files[path[len(start) :]]
                    return self._send(200, content, {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": hub.commit})
                self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})

            def _at_commit(self, kind: str) -> str:
                return f"/api/models/{name}/{kind}/{hub.commit}"

            def _json(self, value: object) -> None:
                self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

            def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for key, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stops serving; the address is refused from then on."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
