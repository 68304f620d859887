"""Gunicorn's configuration for azureml-inference-server-http, as `azmlinfsrv` sets it up, on loopback only.

Runs in the replica's environment under Python 3.7 or newer. The bind address, the worker count and the
timeouts come on the command line, which wins over this file.
"""

import contextlib
import errno
import io
import logging
import os
import select
import sys
import time
from types import TracebackType
from typing import Any

import azureml_inference_server_http as _server

try:
    from azureml_inference_server_http import log_config as _log_config
except ImportError:  # 0.4 and older
    _log_config = None

_PATIENCE = 2.0
"""Seconds that the gateway has at most to end a request itself, once its time is over."""
_LEFT = getattr(select, "POLLRDHUP", 0)  # Where the system does not tell that the other side closed, it must reset.
_ROOT = os.path.dirname(os.path.abspath(_server.__file__))  # noqa: PTH100, PTH120 (plain strings throughout)

# Gunicorn 25 and newer put a socket into $HOME that all replicas would share; older ones ignore the name.
control_socket_disable = True
# The server's own logging configuration takes gunicorn's records; a second copy goes nowhere, as in azmlinfsrv.
accesslog = "-"
errorlog = os.devnull
# A worker's heartbeat file on a full disk would keep gunicorn from starting the next worker.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None  # noqa: S108 (unlinked at once)
# Envoy answers 431 over 60 KiB or 100 headers, and adds its own: what it lets through is never too much here.
limit_request_line = 0  # Of a number, at most 8190 counts.
limit_request_fields = 200
limit_request_field_size = 128 * 1024
preload_app = os.environ.get("WORKER_PRELOAD", "").lower() == "true"
proc_name = os.environ.get("SERVICE_NAME", "azmlinfsrv")


class _Forgiving(io.FileIO):
    """An output whose words are lost while the disk is full, so that no print() of a score script fails by it."""

    def write(self, data: Any) -> int:  # noqa: ANN401 (any buffer)
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            return memoryview(data).nbytes


def _forgive_a_full_disk() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        raw = _Forgiving(stream.fileno(), "wb", closefd=False)
        # Unbuffered, as PYTHONUNBUFFERED has it: what is not written before a fork would be written twice.
        plain: Any = raw
        fresh = io.TextIOWrapper(plain, encoding=stream.encoding, errors=stream.errors, write_through=True)
        setattr(sys, name, fresh)


def _announce_version() -> None:
    version = getattr(_server, "__version__", "")
    if version and os.environ.get("SERVER_VERSION_LOG_RESPONSE_ENABLED", "true").lower() == "true":
        os.environ["HTTP_X_MS_SERVER_VERSION"] = "azmlinfsrv/" + version


def _configure_server_logging() -> None:
    if _log_config is not None:
        _log_config.load_logging_config(_ROOT, silent=True)
        return
    # Servers up to 0.4 find their own modules by name, and have their logging configured by gunicorn.
    sys.path.append(os.path.join(_ROOT, "server"))  # noqa: PTH118 (the same)
    globals()["logconfig"] = os.path.join(_ROOT, "logging.conf")  # noqa: PTH118 (the same)


def _show_root_logging() -> None:
    # The handler of last resort serves loggers without any handler, so a basicConfig of the user's still wins.
    level = logging.getLevelName(os.environ.get("AZUREML_LOG_LEVEL", "INFO").upper())
    level = level if isinstance(level, int) else logging.INFO
    fallback = logging.StreamHandler(sys.stderr)
    fallback.setLevel(level)
    fallback.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s"))
    logging.lastResort = fallback
    logging.getLogger().setLevel(level)


def _extend_path() -> None:
    # azmlinfsrv knows the code directory only; the script's own folder after it lets siblings import each other.
    root = os.environ.get("AML_APP_ROOT", "")
    script = os.path.join(root, os.environ.get("AZUREML_ENTRY_SCRIPT", ""))  # noqa: PTH118 (the same)
    sys.path.extend(path for path in (root, os.path.dirname(script)) if path not in sys.path)  # noqa: PTH120 (the same)


def _left(client: Any, seconds: float = 0) -> bool:  # noqa: ANN401 (a socket, or what stands for it)
    """Whether who asked is gone, or goes within so many seconds."""
    watch = select.poll()
    watch.register(client, _LEFT)
    return bool(watch.poll(seconds * 1000))


def _return_home() -> None:
    # A code folder that was deleted and laid out again has the same path, and is another folder.
    try:
        os.getcwd()  # noqa: PTH109 (plain strings throughout)
    except OSError:
        with contextlib.suppress(OSError):
            os.chdir(os.environ["AML_APP_ROOT"])


def post_worker_init(worker: Any) -> None:  # noqa: ANN401 (of any gunicorn)
    """Leave requests whose time is over to the gateway, which says 408: before they are scored, and after."""
    score = worker.wsgi
    limit = int(os.environ["HEADGATE_REQUEST_TIMEOUT_MS"]) / 1000

    def app(environ: Any, start_response: Any) -> Any:  # noqa: ANN401 (WSGI)
        client = environ["gunicorn.socket"]
        if _left(client):
            # It waited here until its time was over: scoring it would only take the time of those behind it.
            raise ConnectionResetError(errno.ECONNRESET, "The request was given up before its turn")
        _return_home()
        begun = time.monotonic()
        answer = score(environ, start_response)
        if time.monotonic() - begun >= limit:
            # The gateway's clock is about to end too: an answer now would be taken for the model's, or cut short.
            _left(client, _PATIENCE)
        return answer

    worker.wsgi = app


def _keep_exit_status() -> None:
    # Workers that fail together make gunicorn halt a second time while it halts, and so end with 1 instead of 3.
    def end(kind: "type[BaseException]", error: BaseException, trace: "TracebackType | None") -> None:
        status = getattr(error, "exit_status", None)
        if kind.__name__ == "HaltServer" and isinstance(status, int):
            logging.shutdown()
            os._exit(status)
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = end


_forgive_a_full_disk()
_configure_server_logging()
_announce_version()
_show_root_logging()
_extend_path()
_keep_exit_status()
