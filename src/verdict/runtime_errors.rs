//! What the victim's runtime prints. Measured on Linux with curl 7.88, Node.js 20, Python 3.11 (requests 2.34, httpx 0.28,
//! aiohttp 3.14), OpenJDK 17, Go 1.19, nginx 1.22 and HAProxy 2.6; .NET's are documented, not measured.

use std::collections::BTreeMap;

use crate::report::Text;

/// What the victim's application met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// RST in answer to its SYN.
    Refused,
    /// Its connect was never answered, or not in a way that its host recognised.
    ConnectTimeout,
    /// RST without a FIN before it, no response byte yet.
    ResetBeforeResponse,
    /// FIN (a RST may have followed), no response byte yet: reads return the end of the stream, not an error.
    EndBeforeResponse,
    /// RST in the middle of a response.
    ResetInResponse,
    /// FIN in the middle of a response.
    EndInResponse,
    /// Its own patience ended.
    TimedOut,
    /// Its own patience ended in the middle of a response.
    TimedOutInResponse,
    /// RST while it was idle: the next use fails.
    ResetWhileIdle,
    /// Its kernel gave up (keepalive probes).
    KernelTimeout,
    /// RST right after its ClientHello.
    ResetInTlsHandshake,
}

const RUNTIMES: [&str; 12] = [
    "node",
    "fetch",
    "go",
    "java",
    "requests",
    "httpx",
    "aiohttp",
    "curl",
    "dotnet (unverified)",
    "nginx (upstream)",
    "haproxy (upstream)",
    "errno",
];

/// The messages, by runtime.
pub fn messages(met: Met) -> BTreeMap<Text, Text> {
    RUNTIMES
        .iter()
        .zip(row(met))
        .filter(|(_, text)| !text.is_empty())
        .map(|(runtime, text)| (Text::Borrowed(runtime), Text::Borrowed(text)))
        .collect()
}

/// Words in the order of [`RUNTIMES`].
type Words = [&'static str; 12];

const fn row(met: Met) -> Words {
    match met {
        Met::Refused => REFUSED,
        Met::ConnectTimeout => CONNECT_TIMEOUT,
        Met::ResetBeforeResponse => RESET_BEFORE_RESPONSE,
        Met::EndBeforeResponse => END_BEFORE_RESPONSE,
        Met::ResetInResponse => RESET_IN_RESPONSE,
        Met::EndInResponse => END_IN_RESPONSE,
        Met::TimedOut => TIMED_OUT,
        Met::TimedOutInResponse => TIMED_OUT_IN_RESPONSE,
        Met::ResetWhileIdle => RESET_WHILE_IDLE,
        Met::KernelTimeout => KERNEL_TIMEOUT,
        Met::ResetInTlsHandshake => RESET_IN_TLS_HANDSHAKE,
    }
}

const REFUSED: Words = [
    "connect ECONNREFUSED",
    "fetch failed: connect ECONNREFUSED",
    "connect: connection refused",
    "java.net.ConnectException: Connection refused",
    "NewConnectionError: [Errno 111] Connection refused",
    "ConnectError: [Errno 111] Connection refused",
    "ClientConnectorError: Cannot connect to host",
    "curl: (7) Couldn't connect to server",
    "SocketException 10061 / 111: connection refused",
    "connect() failed (111: Connection refused) while connecting to upstream",
    "SC-- 503",
    "ECONNREFUSED",
];

/// Go's, httpx's, aiohttp's and HAProxy's as documented.
const CONNECT_TIMEOUT: Words = [
    "connect ETIMEDOUT, or the caller's own timeout error",
    "fetch failed: UND_ERR_CONNECT_TIMEOUT / connect ETIMEDOUT",
    "dial tcp: i/o timeout",
    "HttpConnectTimeoutException: HTTP connect timed out / SocketTimeoutException: Connect timed out",
    "ConnectTimeout",
    "ConnectTimeout",
    "ConnectionTimeoutError",
    "curl: (28) Failed to connect … Timeout was reached",
    "TaskCanceledException",
    "upstream timed out (110: Connection timed out) while connecting to upstream",
    "sC-- 503",
    "ETIMEDOUT",
];

const RESET_BEFORE_RESPONSE: Words = [
    "read ECONNRESET",
    "fetch failed: read ECONNRESET",
    "read: connection reset by peer",
    "java.net.SocketException: Connection reset",
    "('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
    "ReadError: [Errno 104] Connection reset by peer",
    "ClientOSError: [Errno 104] Connection reset by peer",
    "curl: (56) Recv failure: Connection reset by peer",
    "HttpRequestException: SocketException 10054 / 104",
    "recv() failed (104: Connection reset by peer) while reading response header from upstream",
    "SH-- 502",
    "ECONNRESET",
];

const END_BEFORE_RESPONSE: Words = [
    "socket hang up (code ECONNRESET)",
    "fetch failed: UND_ERR_SOCKET other side closed",
    "EOF",
    "java.io.IOException: HTTP/1.1 header parser received no bytes",
    "('Connection aborted.', RemoteDisconnected('Remote end closed connection without response'))",
    "RemoteProtocolError: Server disconnected without sending a response.",
    "ServerDisconnectedError",
    "curl: (52) Empty reply from server",
    "HttpRequestException: The response ended prematurely.",
    "upstream prematurely closed connection while reading response header from upstream",
    "SH-- 502",
    "end of stream on read, EPIPE on write",
];

const RESET_IN_RESPONSE: Words = [
    "read ECONNRESET (or: aborted)",
    "terminated: read ECONNRESET",
    "read: connection reset by peer",
    "java.net.SocketException: Connection reset",
    "ChunkedEncodingError: ('Connection broken: ConnectionResetError(104, ...)')",
    "ReadError: [Errno 104] Connection reset by peer",
    "ClientPayloadError",
    "curl: (56) Recv failure: Connection reset by peer",
    "IOException: SocketException 10054 / 104",
    "readv() failed (104: Connection reset by peer) while reading upstream",
    "SD--",
    "ECONNRESET",
];

const END_IN_RESPONSE: Words = [
    "aborted (code ECONNRESET)",
    "terminated: other side closed",
    "unexpected EOF",
    "java.io.EOFException (HttpURLConnection: no error, the body is short)",
    "IncompleteRead / Response ended prematurely",
    "RemoteProtocolError: peer closed connection without sending complete message body",
    "ClientPayloadError: Response payload is not completed",
    "curl: (18) transfer closed with bytes remaining to read",
    "HttpIOException: ResponseEnded",
    "upstream prematurely closed connection while reading upstream",
    "SD--",
    "end of stream",
];

const TIMED_OUT: Words = [
    "the caller's own timeout error",
    "UND_ERR_HEADERS_TIMEOUT / UND_ERR_BODY_TIMEOUT / AbortError",
    "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
    "java.net.http.HttpTimeoutException / SocketTimeoutException: Read timed out",
    "ReadTimeout",
    "ReadTimeout",
    "TimeoutError",
    "curl: (28) Operation timed out",
    "TaskCanceledException",
    "upstream timed out (110: Connection timed out) while reading response header from upstream",
    "sH-- 504",
    "",
];

/// fetch's body timeout, Go's, httpx's and aiohttp's as documented.
const TIMED_OUT_IN_RESPONSE: Words = [
    "the caller's own timeout error",
    "terminated: UND_ERR_BODY_TIMEOUT / TimeoutError",
    "context deadline exceeded (Client.Timeout or context cancellation while reading body)",
    "java.net.SocketTimeoutException: Read timed out",
    "ConnectionError: ReadTimeoutError: Read timed out.",
    "ReadTimeout",
    "TimeoutError",
    "curl: (28) Operation timed out after … with … bytes received",
    "TaskCanceledException",
    "upstream timed out (110: Connection timed out) while reading upstream",
    "sD--",
    "",
];

const RESET_WHILE_IDLE: Words = [
    "read ECONNRESET on the idle socket; pools drop it silently",
    "none: the pool opens another connection",
    "none: the transport drops the connection",
    "none: the pool drops the connection",
    "none, or ConnectionResetError(104) at the next use",
    "none: the pool drops the connection",
    "none: the connector drops the connection",
    "none, or a new connection",
    "none: the handler drops the connection",
    "none: the keepalive connection is dropped",
    "none: the idle connection is dropped",
    "ECONNRESET at the next use",
];

const KERNEL_TIMEOUT: Words = [
    "read ETIMEDOUT",
    "fetch failed: read ETIMEDOUT",
    "read: connection timed out",
    "java.net.SocketException: Connection timed out",
    "[Errno 110] Connection timed out",
    "ReadError: [Errno 110]",
    "ClientOSError: [Errno 110] Connection timed out",
    "curl: (56) Recv failure: Connection timed out",
    "SocketException 10060 / 110",
    "recv() failed (110: Connection timed out)",
    "",
    "ETIMEDOUT",
];

const RESET_IN_TLS_HANDSHAKE: Words = [
    "read ECONNRESET",
    "fetch failed: read ECONNRESET",
    "read: connection reset by peer",
    "javax.net.ssl.SSLHandshakeException: Remote host terminated the handshake",
    "ConnectionResetError(104, 'Connection reset by peer')",
    "ConnectError: [Errno 104]",
    "ClientConnectorError: Connection reset by peer",
    "curl: (35) Recv failure: Connection reset by peer",
    "HttpRequestException: SocketException 10054 / 104",
    "peer closed connection in SSL handshake (104: Connection reset by peer)",
    "",
    "ECONNRESET",
];
