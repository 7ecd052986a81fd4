//! A client used connections that the server had closed for being idle.

use std::net::{IpAddr, SocketAddr};

use super::handing_on::HandsOn;
use super::settings::{Pool, below, idle_settings, longer_than};
use super::{Grounds, line, plain, retries_of_writes};
use crate::dialogue::{Forwarding, Protocol};
use crate::insight::{KnownTimeout, TimeoutRole};
use crate::report::{Advice, Finding, IdleTimeout};

const NO_ACTIVITY: &str =
    "TCP keepalive: its probes are no activity for an application's idle timer.";

/// What is known of both ends.
pub(super) struct IdleReuse<'a> {
    client: IpAddr,
    server: SocketAddr,
    timer: Option<&'a IdleTimeout>,
    /// The longest that the client was seen to keep a connection, in seconds.
    client_keeps: Option<f64>,
    hands_on: Option<HandsOn>,
    /// The balancer that the client is, where its timer can't be lowered.
    balancer: Option<&'a KnownTimeout>,
}

impl<'a> IdleReuse<'a> {
    pub(super) fn new(
        (client, server): (IpAddr, SocketAddr),
        cited: &[&Finding],
        grounds: &Grounds<'a>,
    ) -> Self {
        let pair = grounds
            .alignment
            .iter()
            .find(|pair| pair.client == client.to_string() && pair.server == server.to_string());
        let hands_on = HandsOn::of((client, server), cited, grounds);
        Self {
            client,
            server,
            timer: grounds.timer("server", server.ip(), server.port()),
            client_keeps: pair.and_then(|pair| pair.client_keeps_s),
            balancer: hands_on.as_ref().and_then(|_| fixed_balancer(grounds)),
            hands_on,
        }
    }

    pub(super) fn piece(self, cited: &[&Finding], grounds: &Grounds<'_>) -> Advice {
        if cited.iter().all(|finding| is_websocket(finding)) {
            let every = self.keeps().map(|keeps| (keeps, self.below(keeps)));
            return websocket(self.server, every);
        }
        if let Some(why) = self.no_timer() {
            return self.look_before_use(why, cited);
        }
        let mut advice = match self.balancer {
            Some(balancer) => self.change_server(balancer),
            None => self.change_client(),
        };
        if retries_of_writes(cited).is_some() {
            advice.will_not_help = Some("TCP keepalive (its probes are no activity for an application's idle timer), and blind retries of POST.".to_owned());
        }
        if self.keeps().is_some() || self.balancer.is_some() {
            let fixed = self.balancer.and_then(|balancer| balancer.default_s);
            let pool = Pool {
                ends: (self.client, self.server),
                value: match self.balancer {
                    Some(_) => None,
                    None => self.keeps().map(|keeps| self.below(keeps)),
                },
                keeps: fixed.or(self.client_keeps),
                hands_on: self.hands_on,
            };
            advice.settings = idle_settings(&pool, self.timer, grounds);
            if let Some(balancer) = self.balancer {
                // Its timer towards its own clients is another matter.
                let product = &balancer.product;
                let settings = &mut advice.settings;
                settings.retain(|line| !line.product.starts_with(product));
            }
        }
        advice
    }

    /// The server's timer, in seconds.
    fn keeps(&self) -> Option<f64> {
        self.timer.and_then(|timer| timer.estimate_s)
    }

    /// Why the server closed, where that was not for being idle.
    fn no_timer(&self) -> Option<&'static str> {
        match self.timer?.no_timer.as_deref()? {
            "restart" => Some("all at one moment, as for a restart or a drain"),
            "max-age" => Some("after a fixed age"),
            "max-requests" => Some("after a fixed number of requests"),
            _ => None,
        }
    }

    /// The client's timer should be this at most.
    fn below(&self, keeps: f64) -> f64 {
        let spread = self.timer.and_then(|timer| timer.spread_s);
        below(keeps, spread.unwrap_or(0.0))
    }

    /// What happened, and who the client is.
    fn story(&self) -> String {
        let (client, server) = (self.client, self.server);
        let mut story = match self.keeps() {
            Some(keeps) => {
                let kept = self.client_keeps;
                let kept = kept.map_or(String::new(), |kept| format!(" (at least {kept:.2} s)"));
                format!(
                    "{server} closes idle connections after {keeps:.2} s; the client {client} keeps and reuses them longer{kept}."
                )
            }
            None => {
                format!("{server} closed connections that the client {client} used again.")
            }
        };
        if let Some(hands_on) = &self.hands_on {
            story.push(' ');
            story.push_str(&hands_on.text(client, server));
        }
        story
    }

    /// The side that sends requests has to close first. Its value: the server's timer less a margin of one second or a fifth, a round
    /// trip and the timer's spread at least.
    fn change_client(&self) -> Advice {
        let (client, server, story) = (self.client, self.server, self.story());
        let pool = match &self.hands_on {
            Some(HandsOn::Says(Forwarding::ProxyHeader)) => {
                " Its pool towards its servers has to change or, where it only hands bytes on (TCP mode), the pool of those who call it."
            }
            Some(_) => " Its pool towards its servers has to change.",
            None => "",
        };
        let fixed = match &self.hands_on {
            Some(HandsOn::Says(_)) => {
                " Only the latter helps where it is a balancer whose timer is fixed or ends slow responses, too (AWS ALB 60 s, Google Cloud 600 s)."
            }
            _ => "",
        };
        let (when, raise) = match self.keeps() {
            Some(keeps) => (
                format!("after {} s or less", self.below(keeps)),
                " (then the client's must be finite)",
            ),
            None => ("before the server does".to_owned(), ""),
        };
        plain(
            "client",
            format!("let {client} drop idle connections to {server} {when}"),
            format!(
                "{story}{pool} The side that sends requests must close first: let the client drop idle connections {when}, or raise the server's idle timeout above the client's{raise}.{fixed}"
            ),
            Some(NO_ACTIVITY),
        )
    }

    /// No timer of the client's comes before a close that has another reason.
    fn look_before_use(&self, why: &str, cited: &[&Finding]) -> Advice {
        let (client, server) = (self.client, self.server);
        let mut who = String::new();
        if let Some(hands_on) = &self.hands_on {
            who = format!("{} ", hands_on.text(client, server));
        }
        let mut advice = plain(
            "client",
            format!(
                "let {client} look whether {server} has closed a connection before it uses it, and send again what met a closed one"
            ),
            format!(
                "{server} closed its connections {why}, and the client {client} used them again. {who}No idle timeout comes before that: let the client take a connection whose end it has been told of out of its pool, and send a request again, on a new connection, that met a closed one before any byte of an answer came. A server that drains says so first (Connection: close, GOAWAY) and closes a while later."
            ),
            Some("Other idle timeouts, on either side."),
        );
        if let Some(retries) = retries_of_writes(cited) {
            advice.will_not_help = Some(format!("Other idle timeouts, on either side. {retries}"));
        }
        advice.settings = vec![
            line(
                "Node.js (client)",
                "req.on('error', (e) => { if (req.reusedSocket && e.code === 'ECONNRESET') sendAgain() })",
            ),
            line(
                "nginx (client)",
                "proxy_next_upstream error timeout; proxy_next_upstream_tries 2;",
            ),
        ];
        advice
    }

    /// The client is a balancer whose timer is what it is: the server has to keep connections for longer.
    fn change_server(&self, balancer: &KnownTimeout) -> Advice {
        let (server, story, product) = (self.server, self.story(), &balancer.product);
        let fixed = balancer.default_s.unwrap_or_default();
        let value = longer_than(Some(fixed));
        let why = match balancer.ends_responses {
            true => "and ends slow responses, too",
            false => "and is fixed",
        };
        plain(
            "server",
            format!("let {server} keep idle connections for {value} s or more"),
            format!(
                "{story} The side that sends requests must close first. The timer of {product} is {fixed} s by default {why}: raise the server's idle timeout above it, to {value} s or more."
            ),
            Some(NO_ACTIVITY),
        )
    }
}

/// Of the products that the user named, a balancer whose timer can't be lowered.
fn fixed_balancer<'a>(grounds: &Grounds<'a>) -> Option<&'a KnownTimeout> {
    let table = grounds.known.table();
    let mut named = grounds.stack.iter().flat_map(|word| table.named(word));
    named.find(|entry| {
        entry.role == TimeoutRole::ProxyUpstreamIdle
            && entry.default_s.is_some()
            && (entry.ends_responses || entry.setting_line(1.0).is_none())
    })
}

fn is_websocket(finding: &Finding) -> bool {
    let request = finding.request.as_ref();
    request.is_some_and(|request| request.protocol == Protocol::WebSocket)
}

/// A WebSocket is meant to stay open: it is kept so by pings, which proxies pass on as data (RFC 6455 section 5.5.2).
fn websocket(server: SocketAddr, timer: Option<(f64, f64)>) -> Advice {
    let (after, every) = timer.map_or((String::new(), String::new()), |(keeps, below)| {
        (format!(" of {keeps:.2} s"), format!(" every {below} s"))
    });
    let mut advice = plain(
        "client",
        format!("send pings{every} on idle WebSocket connections to {server}"),
        format!(
            "{server} closes WebSocket connections after a silence{after}, and messages met closed connections. Send pings{every} from either side, or raise that timeout. A connection can always end: what was sent last has to be sent again on the next one."
        ),
        Some(NO_ACTIVITY),
    );
    if let Some((_, below)) = timer {
        advice.settings = vec![
            line(
                "ws for Node.js (either side)",
                &format!("setInterval(() => socket.ping(), {:.0})", below * 1000.0),
            ),
            line(
                "websockets for Python (either side)",
                &format!("ping_interval={below}"),
            ),
        ];
    }
    advice
}
