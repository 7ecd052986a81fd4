//! TLS handshakes that failed: one end broke off with an alert, only one of them speaks TLS, or a client certificate was not accepted.
//! The RST or the FIN behind that only clears away what is left.

use crate::dialogue::{FatalAlert, Protocol};
use crate::flow::{Mark, Peer};
use crate::time::Timestamp;
use crate::verdict::ending::Ending;
use crate::verdict::rules::Case;
use crate::verdict::rules::no_reset::{NoResetEnding, packet_of};
use crate::verdict::rules::undelivered::traced;
use crate::verdict::ruling::Ruling;
use crate::verdict::situation::Silence;
use crate::verdict::{Cause, Confidence, Harm, IdleKind, ResetSender};

/// What went wrong.
#[derive(Clone, Copy, Debug)]
enum Failure<'a> {
    /// An alert after which nobody goes on.
    Alert(&'a FatalAlert),
    /// What was asked in clear text met such an alert.
    AlertToClear(&'a FatalAlert),
    /// The answer to a ClientHello is no TLS.
    ClearAnswer(Mark),
    /// What was asked in clear text met a close, where others speak TLS.
    ClearQuestion(u32),
    /// The close came right behind the client's certificate, or behind its saying that it has none.
    Certificate {
        /// A record of an alert's size before the close.
        farewell: Option<Mark>,
    },
}

/// The first end of a connection.
#[derive(Clone, Copy, Debug)]
struct Close {
    from: Peer,
    /// What came up to now may be why.
    at: Timestamp,
    /// A silence came before it: a timer's, perhaps.
    is_idle: bool,
}

impl<'a> Failure<'a> {
    fn before(close: Close, ending: &'a Ending) -> Option<Self> {
        let requester = ending.dialogue.requester;
        let by_responder = close.from != requester && !close.is_idle;
        let dialogue = &ending.dialogue;
        let in_clear = dialogue.protocol == Protocol::Http1;
        let unanswered = dialogue.requests == 1 && dialogue.answered == 0;
        let Some(tls) = &dialogue.tls else {
            let sessions = ending.surroundings.tls_sessions;
            let is_mute = ending.state.of(requester.other()).new_bytes == 0;
            return (in_clear && unanswered && by_responder && is_mute && sessions > 0)
                .then_some(Self::ClearQuestion(sessions));
        };
        let came = |mark: &&Mark| mark.time <= close.at;
        match (&tls.fatal_alert, tls.answered_in_clear.as_ref()) {
            (Some(alert), _) if came(&&alert.at) && in_clear => Some(Self::AlertToClear(alert)),
            (Some(alert), _) if came(&&alert.at) => Some(Self::Alert(alert)),
            (_, Some(answer)) if came(&answer) => Some(Self::ClearAnswer(*answer)),
            // Where bytes are cut off, the records of a certificate and those of a request look alike.
            _ if tls.client_certificate
                && !ending.cut_payload
                && dialogue.answered == 0
                && by_responder =>
            {
                let [client, server] = tls.close_notify;
                let own = match close.from {
                    Peer::Client => client,
                    Peer::Server => server,
                };
                Some(Self::Certificate {
                    farewell: own.filter(|mark| came(&mark)),
                })
            }
            _ => None,
        }
    }

    /// What is said of a connection that ended with this.
    fn ruling(self, cause: Cause, ending: &Ending) -> Ruling {
        let requester = ending.dialogue.requester;
        let responder = requester.other();
        let new = |confidence: Confidence, text: String| {
            Ruling::new(cause, confidence, text).harm(Harm::Refused, requester)
        };
        let likely = |text: String| new(Confidence::Likely, text);
        match self {
            Self::Alert(alert) => likely(
                format!(
                    "The {} broke the TLS handshake off with {}. The connection never came into use; its end only clears it away.",
                    alert.from,
                    named(alert)
                ),
            )
            .detail("tls-alert")
            .because_of(format!("a fatal TLS alert of the {}", alert.from), [alert.at.frame]),
            Self::AlertToClear(alert) => likely(
                format!(
                    "The {requester} asked in clear text (HTTP), and the {responder} answered with {}: it speaks TLS on this port.",
                    named(alert)
                ),
            )
            .detail("tls-mismatch")
            .because_of("a TLS alert answers what was asked in clear text", [alert.at.frame]),
            Self::ClearAnswer(answer) => likely(
                format!(
                    "The {requester} began a TLS handshake, and the {responder} answered in clear text: it speaks no TLS on this port.",
                ),
            )
            .detail("tls-mismatch")
            .because_of("no TLS record answers the ClientHello", [answer.frame])
            .or(
                Cause::TeardownNoise,
                "the client: whether it goes on without TLS after such an answer",
            ),
            Self::ClearQuestion(sessions) => likely(
                format!(
                    "The {requester} asked in clear text (HTTP), and the {responder} closed without a word: it speaks TLS on this port.",
                ),
            )
            .detail("tls-mismatch")
            .because(format!("{sessions} other connections to this port speak TLS"), &[]),
            Self::Certificate { farewell } => certificate_refused(farewell, new, responder),
        }
    }
}

/// TLS 1.3 hides the alert; that the client was asked for a certificate, and when the close came, it shows.
fn certificate_refused(
    farewell: Option<Mark>,
    new: impl Fn(Confidence, String) -> Ruling,
    responder: Peer,
) -> Ruling {
    let text = format!(
        "The {responder} had asked for a client certificate and ended the TLS session right after the client had sent one, or had said that it has none: it did not accept that."
    );
    let ruling = match farewell {
        Some(alert) => new(Confidence::Likely, text).because_of(
            "a record of the size of an alert, and nothing else, answers the client's part of the handshake",
            [alert.frame],
        ),
        None => new(Confidence::Possible, text),
    };
    ruling.detail("client-certificate").or(
        Cause::CloseWithUnreadData,
        format!("the {responder}'s log: whether the handshake failed, or what was asked in it"),
    )
}

/// What one of the two says before it breaks off.
fn named(alert: &FatalAlert) -> String {
    let Some(code) = alert.description else {
        return "an alert, which is encrypted (the other end's log has it: from a client mostly a certificate that it does not accept)".to_owned();
    };
    let known = ALERTS.iter().find(|(number, ..)| *number == code);
    match known {
        Some((_, name, meaning)) => format!("the alert {name} ({code}): {meaning}"),
        None => format!("the alert {code}"),
    }
}

/// AlertDescription, its name, and what its sender says with it (RFC 8446 section 6.2, RFC 5246 section 7.2.2, RFC 7507).
const ALERTS: [(u8, &str, &str); 27] = [
    (10, "unexpected_message", "what came does not belong there"),
    (20, "bad_record_mac", "a record could not be decrypted"),
    (22, "record_overflow", "a record was too long"),
    (
        40,
        "handshake_failure",
        "no choice of ciphers and parameters suits both, or it wants a client certificate",
    ),
    (
        42,
        "bad_certificate",
        "it does not accept the other end's certificate",
    ),
    (
        43,
        "unsupported_certificate",
        "it can't use a certificate of that kind",
    ),
    (
        44,
        "certificate_revoked",
        "the other end's certificate was revoked",
    ),
    (
        45,
        "certificate_expired",
        "the other end's certificate has expired, or is not valid yet",
    ),
    (
        46,
        "certificate_unknown",
        "it does not accept the other end's certificate, or its name",
    ),
    (47, "illegal_parameter", "a value that came is not allowed"),
    (
        48,
        "unknown_ca",
        "no authority that it trusts has signed the other end's certificate",
    ),
    (
        49,
        "access_denied",
        "it knows whom the certificate belongs to, and refuses",
    ),
    (50, "decode_error", "it could not read what came"),
    (
        51,
        "decrypt_error",
        "a signature or a check of the handshake is wrong",
    ),
    (
        70,
        "protocol_version",
        "it takes no version of TLS that the other end offers",
    ),
    (
        71,
        "insufficient_security",
        "what the other end offers is too weak for it",
    ),
    (
        80,
        "internal_error",
        "an error of its own, whatever was said",
    ),
    (
        86,
        "inappropriate_fallback",
        "the other end tries an older version than both can",
    ),
    (90, "user_canceled", "somebody cancelled"),
    (109, "missing_extension", "the other end left something out"),
    (
        110,
        "unsupported_extension",
        "the other end said what it had not been asked for",
    ),
    (
        112,
        "unrecognized_name",
        "it serves nobody of the name that was asked for",
    ),
    (
        113,
        "bad_certificate_status_response",
        "it does not accept the status of the certificate (OCSP)",
    ),
    (
        115,
        "unknown_psk_identity",
        "it does not know the pre-shared key",
    ),
    (
        116,
        "certificate_required",
        "it wants a client certificate, and got none",
    ),
    (
        120,
        "no_application_protocol",
        "it speaks none of the protocols that were offered (ALPN)",
    ),
    (121, "ech_required", "it wants an encrypted ClientHello"),
];

/// A RST behind a handshake that failed.
pub(super) fn rule(case: &Case<'_>) -> Option<Ruling> {
    let ending = case.ending;
    if case.origin.sender == ResetSender::Middlebox {
        return None;
    }
    let at = case.reset.head.time;
    let fins = [Peer::Client, Peer::Server]
        .into_iter()
        .filter_map(|peer| Some((peer, ending.fin(peer).filter(|fin| fin.time <= at)?)));
    let (cause, from, silence) = match fins.min_by_key(|(_, fin)| fin.time) {
        Some((peer, fin)) => (Cause::HangUp, peer, Silence::before_fin(fin)),
        None => (Cause::AbortiveClose, case.claimed(), case.silence),
    };
    let is_idle = silence.is_idle(ending);
    let close = Close { from, at, is_idle };
    let ruling = match Failure::before(close, ending) {
        Some(failure) => failure.ruling(cause, ending),
        None => unfinished(cause, close, silence, ending)?,
    };
    let ruling = ruling.because("the RST follows", &[case.reset]);
    Some(match cause {
        Cause::HangUp => ruling.or(
            Cause::AbortiveClose,
            "a capture that misses nothing: whether the FIN came first",
        ),
        _ => ruling,
    })
}

/// A FIN behind a handshake that failed.
pub(super) fn hung_up(ending: &Ending, closer: Peer) -> Option<NoResetEnding> {
    let fin = ending.fin(closer)?;
    let at = packet_of(ending, fin)?;
    let silence = Silence::before_fin(fin);
    let close = Close {
        from: closer,
        at: ending.last,
        is_idle: silence.is_idle(ending),
    };
    let ruling = Failure::before(close, ending)?.ruling(Cause::HangUp, ending);
    let ruling = ruling.because("the FIN follows", &[at]);
    Some(NoResetEnding { ruling, at: *at })
}

/// A FIN in a handshake that nothing else tells of.
pub(super) fn left(ending: &Ending, closer: Peer) -> Option<NoResetEnding> {
    let fin = ending.fin(closer)?;
    let at = packet_of(ending, fin)?;
    let silence = Silence::before_fin(fin);
    let is_idle = silence.is_idle(ending);
    // A client that leaves has changed its mind.
    if closer == ending.dialogue.requester && !is_idle {
        return None;
    }
    let close = Close {
        from: closer,
        at: ending.last,
        is_idle,
    };
    let ruling = unfinished(Cause::HangUp, close, silence, ending)?;
    let ruling = ruling.because("the FIN follows", &[at]);
    Some(NoResetEnding { ruling, at: *at })
}

/// One end left before the handshake was over, and did not say why.
fn unfinished(cause: Cause, close: Close, silence: Silence, ending: &Ending) -> Option<Ruling> {
    let tls = ending.dialogue.tls.as_ref()?;
    if !tls.began || tls.handshake_done || ending.dialogue.requests > 0 {
        return None;
    }
    let requester = ending.dialogue.requester;
    let waited = silence.application.filter(|_| close.is_idle);
    let new = |cause: Cause, text: String| {
        Ruling::new(cause, Confidence::Possible, text)
            .harm(Harm::Refused, requester)
            .detail("tls-unfinished")
    };
    let name = tls
        .sni
        .as_deref()
        .map_or_else(String::new, |name| format!(" (for {name})"));
    let ruling = match (close.from == requester, tls.hello_unanswered, waited) {
        (true, true, Some(waited)) => {
            let ruling = new(
                Cause::ResponseTimeout,
                format!("The {requester} waited {waited} for an answer to its ClientHello{name}, got none and left: its own timeout, or a cancel."),
            );
            let ruling = ruling.idle(IdleKind::AwaitingResponse, silence);
            return Some(traced(ending, requester, ruling));
        }
        (true, _, Some(waited)) => {
            let ruling = new(
                Cause::ResponseTimeout,
                format!("The {requester} left after {waited} of silence, before the TLS handshake was over."),
            );
            let ruling = ruling.idle(IdleKind::AwaitingResponse, silence);
            return Some(traced(ending, requester, ruling).or(
                cause,
                "the client's log: whether it waited for the server, or did not go on itself",
            ));
        }
        (true, ..) => Ruling {
            harm: Harm::None,
            victim: None,
            ..new(
                cause,
                format!("The {requester} left before the TLS handshake was over and did not say why: a certificate that it does not accept, a cancel, or a check that wants no more."),
            )
        }
        .unclear()
        .or(
            Cause::TeardownNoise,
            "the client: whether it wanted more (who checks a certificate does not)",
        ),
        (false, true, None) => new(
            cause,
            format!("The {} ended the connection in answer to the ClientHello{name}, and said nothing: that name, or TLS, is not served there, or something on the way objects.", close.from),
        ),
        (false, _, None) => new(
            cause,
            format!("The {} ended the connection before the TLS handshake was over, and did not say why.", close.from),
        ),
        (false, _, Some(waited)) => new(
            cause,
            format!("The {} ended the connection after {waited} of silence, before the TLS handshake was over: a timer of its own.", close.from),
        )
        .idle(IdleKind::AwaitingResponse, silence),
    };
    let rival = match close.from == requester {
        true => (
            Cause::ResponseTimeout,
            "the client's log: a TLS error, or a time that ran out",
        ),
        false => (
            Cause::Injected,
            "the server's log, or a capture there: whether it ended the connection",
        ),
    };
    Some(ruling.or(rival.0, rival.1))
}
