"""A small model server for tests: `model_server.py PORT MODE`."""

import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

HELD: list[bytearray] = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """`/`: healthy unless a file says otherwise; `/sleep/S`, `/hog/MIB`, `/exit/CODE`: just that."""
        match self.path.strip("/").split("/"):
            case ["sleep", seconds]:
                time.sleep(float(seconds))
            case ["hog", size]:
                HELD.append(bytearray(b"x" * (int(size) * 2**20)))
            case ["exit", code]:
                os._exit(int(code))
        self.send_response(500 if Path("unhealthy").exists() else 200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's word
        say(format % args)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(port: int, mode: str) -> None:
    say(f"starting {mode}")
    match mode:
        case "init-fails":
            say("RuntimeError: no model here")
            sys.exit(3)
        case "init-hangs":
            time.sleep(600)
        case "forks":
            code = "import time; time.sleep(600)"
            for own_session in (False, True):
                subprocess.Popen([sys.executable, "-c", code], start_new_session=own_session)
        case "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case "completes":
            sys.exit(0)
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
