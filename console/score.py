"""Scoring one request as a caller would, and saying what an error of Azure's means."""

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import httpx

from console.hints import paste
from console.shapes import Access
from spec.errors import HeadgateError

DEPLOYMENT = "azureml-model-deployment"
MODEL_STATUS = "ms-azureml-model-error-statuscode"


class UnreachableError(HeadgateError):
    """No answer came back."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    phrase: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004

    def header(self, name: str) -> str | None:
        """A header by its lower-case name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


def ask(access: Access, body: bytes, *, deployment: str | None = None, timeout: float = 310) -> Reply:
    """POST `body` to the endpoint; loopback is never asked through a proxy. Raises `UnreachableError`."""
    request = _request(access, body, deployment)
    direct = access.connect_to is not None or _is_loopback(request.url.host)
    try:
        with httpx.Client(verify=_trust(access), trust_env=not direct, timeout=timeout) as http:
            answer = http.send(request)
    except httpx.TimeoutException as error:
        raise UnreachableError(f"{access.scoring_uri} did not answer within {timeout:g} s.") from error
    except httpx.TransportError as error:
        raise UnreachableError(_why(access, error)) from error
    return Reply(answer.status_code, answer.reason_phrase, tuple(answer.headers.multi_items()), answer.content)


def _request(access: Access, body: bytes, deployment: str | None) -> httpx.Request:
    url = httpx.URL(access.scoring_uri)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {access.credential}"}
    if deployment:
        headers[DEPLOYMENT] = deployment
    extensions: dict[str, object] = {}
    if access.connect_to:
        address, _, port = access.connect_to.rpartition(":")
        headers["Host"] = url.netloc.decode("ascii")
        extensions["sni_hostname"] = url.host
        url = url.copy_with(host=address.strip("[]"), port=int(port))
    return httpx.Request("POST", url, content=body, headers=headers, extensions=extensions)


def _why(access: Access, error: httpx.TransportError) -> str:
    refused = _refused(error)
    if refused is None:
        return f"{access.scoring_uri} cannot be reached: {error}. Envoy may be down: see `headgate status`."
    where = access.connect_to or access.scoring_uri
    return (
        f"The certificate that {where} shows is not accepted: {refused.verify_message.rstrip('.')}. If Headgate was "
        "started with --tls-certificate, put a certificate that is valid now there; else see whether something other "
        "than Headgate's Envoy listens on that port (`ss -ltnp`)."
    )


def _refused(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _trust(access: Access) -> ssl.SSLContext:
    if access.certificate is not None:
        return _only(access.certificate)
    try:
        return ssl.create_default_context(cafile=access.ca_certificate)
    except OSError as error:
        raise HeadgateError(f"The CA certificate {access.ca_certificate} cannot be read: {error}.") from error


def _only(chain: str) -> ssl.SSLContext:
    """Trust the operator's own certificate and no other, whoever issued it and whatever name it is for.

    Not its issuers: anybody may have a certificate of theirs. Whoever shows this one has its key, as Envoy does.
    """
    server, end, _ = chain.partition("-----END CERTIFICATE-----")
    context = ssl.create_default_context(cadata=f"{server}{end}\n")
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


CAUSES = {
    401: "the key or token was not accepted; was it just rotated? Try again, or see: {events}",
    404: "no deployment of {endpoint} gets traffic now. See: {status}",
    408: "the model did not answer within the deployment's request_timeout_ms. See: {log}",
    413: "the body is larger than the setting max_request_bytes allows.",
    424: "the model's own code {said}; the route to it is well. See: {log}",
    429: "more requests at once than the replicas of {endpoint} take. Raise instance_count or "
    "max_concurrent_requests_per_instance, or try again later.",
    503: "no replica could be reached. See: {status}",
}


def explain(reply: Reply, endpoint: str, deployment: str | None = None, state: Path | None = None) -> str:
    """Where the fault of a refused request is, and which command shows more."""
    answered = reply.header(MODEL_STATUS)
    cause = CAUSES.get(reply.status, "not expected of a router or a model. See: {events}")
    if reply.status == 404 and deployment:  # noqa: PLR2004
        cause = f"{endpoint} has no deployment {deployment} that is ready. See: {{status}}"
    served_by = reply.header(DEPLOYMENT) or deployment or "DEPLOYMENT"
    return f"{reply.status}: " + cause.format(
        endpoint=endpoint,
        events=paste("events", endpoint, state=state),
        status=paste("status", endpoint, state=state),
        log=paste("logs", f"{endpoint}/{served_by}", state=state),
        said=f"answered {answered}" if answered else "failed",
    )
