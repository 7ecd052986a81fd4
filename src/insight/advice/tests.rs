use super::settings::CLIENT;
use super::*;
use crate::dialogue::{Forwarding, Hints, Protocol};
use crate::insight::IdleObservation;
use crate::report::{TimeoutMatch, sample};

/// The settings that a keepalive race at a server with this timer is advised.
fn lines(named_by: &[&str], agent: Option<&str>, stack: &[&str]) -> Vec<String> {
    lines_over(Protocol::Http1, named_by, agent, stack)
}

fn lines_over(
    protocol: Protocol,
    named_by: &[&str],
    agent: Option<&str>,
    stack: &[&str],
) -> Vec<String> {
    let hints = Hints {
        user_agent: agent.map(str::to_owned),
        ..Hints::default()
    };
    let advice = advised(protocol, named_by, hints, stack, |_| {});
    assert!(advice.action.starts_with("let 10.77.1.2 drop idle"));
    products(&advice)
}

fn products(advice: &Advice) -> Vec<String> {
    let settings = advice.settings.iter();
    settings.map(|setting| setting.product.clone()).collect()
}

/// The advice on a keepalive race at a server with this timer, of a client that says this.
fn advised(
    protocol: Protocol,
    named_by: &[&str],
    hints: Hints,
    stack: &[&str],
    change: impl Fn(&mut Case),
) -> Advice {
    let mut case = Case {
        finding: sample::keepalive_race(),
        redirected: BTreeMap::new(),
        no_timer: None,
    };
    change(&mut case);
    let Case {
        mut finding,
        redirected,
        no_timer,
    } = case;
    let (client, server) = (finding.connection.client, finding.connection.server);
    let known = Knowledge::BuiltIn;
    let mut timer = sample::report().idle_timeouts.remove(0);
    timer.matches = vec![TimeoutMatch {
        id: "node-http-keepalive-6s".to_owned(),
        named_by: named_by.iter().map(|&by| by.to_owned()).collect(),
        ..timer.matches.remove(0)
    }];
    assert!(known.table().get(&timer.matches[0].id).is_some());
    if no_timer.is_some() {
        (timer.estimate_s, timer.no_timer) = (None, no_timer);
        timer.matches.clear();
    }
    let observation = IdleObservation {
        stream: 0,
        client: client.addr,
        client_port: client.port,
        server: server.into(),
        opened: finding.at,
        last: finding.at,
        handshake_seen: true,
        round_trip: None,
        requests: 2,
        survived: Vec::new(),
        end: None,
        open_idle: None,
        protocol,
        hints: std::borrow::Cow::Owned(hints),
    };
    let mut silences = Silences::default();
    silences.add(0, &observation);
    let stack: Vec<String> = stack.iter().map(|&word| word.to_owned()).collect();
    let grounds = Grounds {
        timeouts: &[timer],
        alignment: &[],
        known,
        stack: &stack,
        silences: &silences,
        redirected: &redirected,
    };
    let mut advice = advise(&mut [&mut finding], &grounds);
    assert!(finding.advice.contains(&advice[0].id));
    advice.remove(0)
}

/// What else is known.
struct Case {
    finding: Finding,
    redirected: BTreeMap<(IpAddr, SocketAddr), SocketAddr>,
    /// Why the server's closes have no timer.
    no_timer: Option<String>,
}

#[test]
fn a_number_alone_names_no_product() {
    assert!(
        lines(&[], None, &[])
            .iter()
            .all(|line| line.ends_with(CLIENT))
    );
    assert_eq!(
        lines(&["announced"], None, &[]).last().map(String::as_str),
        Some("Node.js (server)")
    );
}

#[test]
fn a_client_that_names_itself_needs_no_guesses() {
    let lines = lines(&[], Some("Go-http-client"), &[]);
    assert!(!lines.is_empty());
    assert!(
        lines.iter().all(|line| line.starts_with("Go ")),
        "{lines:?}"
    );
}

#[test]
fn a_proxy_is_not_named_by_those_who_call_it() {
    let handed_on = || Hints {
        user_agent: Some("Go-http-client".to_owned()),
        forwarding: Some(Forwarding::ForwardedFor),
        ..Hints::default()
    };
    let advice = advised(Protocol::Http1, &[], handed_on(), &[], |_| {});
    let proxies = ["nginx (client)", "Envoy (client)", "Traefik (client)"];
    assert_eq!(products(&advice), proxies);
    let text = &advice.text;
    assert!(text.contains("bear X-Forwarded-For"), "{text}");
    // The user knows better.
    let advice = advised(Protocol::Http1, &[], handed_on(), &["haproxy"], |_| {});
    assert!(products(&advice)[0].starts_with("HAProxy"));
}

#[test]
fn a_header_before_all_requests_tells_a_proxy() {
    let behind_haproxy = Hints {
        user_agent: Some("Go-http-client".to_owned()),
        forwarding: Some(Forwarding::ProxyHeader),
        ..Hints::default()
    };
    let advice = advised(Protocol::Http1, &[], behind_haproxy, &[], |_| {});
    let proxies = ["HAProxy (client)", "Envoy (client)", "Traefik (client)"];
    assert_eq!(products(&advice), proxies);
    let text = &advice.text;
    assert!(text.contains("PROXY protocol's header"), "{text}");
    assert!(text.contains("those who call it"), "{text}");
}

#[test]
fn behind_a_balancer_whose_timer_is_fixed_the_server_has_to_change() {
    let handed_on = || Hints {
        forwarding: Some(Forwarding::ForwardedFor),
        ..Hints::default()
    };
    for (balancer, seconds, why) in [
        ("alb", 65, "ends slow responses"),
        ("gcp-alb", 605, "is fixed"),
    ] {
        let stack = [balancer, "node"];
        let advice = advised(Protocol::Http1, &[], handed_on(), &stack, |_| {});
        assert_eq!(advice.change, "server");
        let action = &advice.action;
        assert!(
            action.ends_with(&format!("for {seconds} s or more")),
            "{action}"
        );
        assert!(advice.text.contains(why), "{}", advice.text);
        let lines: Vec<_> = advice.settings.iter().map(|line| &line.line).collect();
        assert_eq!(lines, [&format!("server.keepAliveTimeout = {seconds}000")]);
    }
    // The balancer may as well be the server: of a client that asks for itself nothing else is known.
    let advice = advised(Protocol::Http1, &[], Hints::default(), &["alb"], |_| {});
    assert_eq!(advice.change, "client");
    assert!(
        advice
            .settings
            .iter()
            .all(|line| line.product != "AWS ALB (client)"),
        "its timer ends slow responses, too"
    );
}

#[test]
fn what_a_restart_closed_no_timer_would_have_saved() {
    let advice = advised(Protocol::Http1, &[], Hints::default(), &["alb"], |case| {
        case.no_timer = Some("restart".to_owned());
    });
    assert_eq!(advice.change, "client");
    assert!(advice.action.contains("look whether"), "{}", advice.action);
    assert!(advice.text.contains("a restart or a drain"));
    let lines = advice.settings.iter();
    assert!(lines.clone().all(|line| !line.line.contains("65")));
    // Irregular ones may have been anything.
    let advice = advised(Protocol::Http1, &[], Hints::default(), &[], |case| {
        case.no_timer = Some("irregular".to_owned());
    });
    assert!(advice.action.ends_with("before the server does"));
}

#[test]
fn what_came_in_on_another_connection_is_a_proxys() {
    let agent = || Hints {
        user_agent: Some("Go-http-client".to_owned()),
        ..Hints::default()
    };
    let advice = advised(Protocol::Http1, &[], agent(), &[], |case| {
        case.finding.hop = Some(crate::report::Hop {
            side: "back".to_owned(),
            stream: 17,
            capture: None,
            server: "10.77.1.9:80".parse::<SocketAddr>().unwrap().into(),
            finding: None,
            outcome: "502".to_owned(),
            tied_by: String::new(),
        });
    });
    assert_eq!(products(&advice)[0], "nginx (client)");
    assert!(advice.text.contains("stream 17"), "{}", advice.text);
    // Of whom all others are led to a sidecar, that one is it.
    let advice = advised(Protocol::Http1, &[], agent(), &[], |case| {
        let connection = &case.finding.connection;
        let server = connection.server.into();
        let sidecar = SocketAddr::from(([127, 0, 0, 1], 15001));
        case.redirected
            .insert((connection.client.addr, server), sidecar);
    });
    assert_eq!(products(&advice), ["Istio (client)"]);
    assert!(
        advice.text.contains("to the proxy at 127.0.0.1:15001"),
        "{}",
        advice.text
    );
}

#[test]
fn products_that_the_user_names_come_first() {
    let lines = lines(&[], None, &["nginx", "node"]);
    assert!(lines[0].ends_with(CLIENT), "{lines:?}");
    assert!(
        lines.iter().any(|line| line == "nginx (server)"),
        "{lines:?}"
    );
}

#[test]
fn what_needs_no_numbers_is_said_once_for_all_servers() {
    let known = Knowledge::BuiltIn;
    let grounds = Grounds {
        timeouts: &[],
        alignment: &[],
        known,
        stack: &[],
        silences: &Silences::default(),
        redirected: &BTreeMap::new(),
    };
    let mut refused: Vec<Finding> = (1..=40)
        .map(|port| {
            let mut finding = sample::refused();
            finding.connection.server.port = port;
            finding
        })
        .collect();
    let mut lost = sample::hang_up();
    let mut all: Vec<&mut Finding> = refused.iter_mut().collect();
    all.push(&mut lost);
    let advice = advise(&mut all, &grounds);
    let actions: Vec<&str> = advice.iter().map(|advice| advice.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "find in the log of 10.77.1.3:3000 why connections ended with work open",
            "start what should listen on 40 ports of 10.77.1.3, or correct address, port or firewall rule",
        ]
    );
    assert_eq!(advice[1].because.len(), 40);
}

#[test]
fn a_websocket_is_kept_open_by_pings() {
    let mut finding = sample::keepalive_race();
    if let Some(request) = &mut finding.request {
        request.protocol = Protocol::WebSocket;
    }
    let grounds = Grounds {
        timeouts: &sample::report().idle_timeouts,
        alignment: &[],
        known: Knowledge::BuiltIn,
        stack: &[],
        silences: &Silences::default(),
        redirected: &BTreeMap::new(),
    };
    let advice = advise(&mut [&mut finding], &grounds);
    assert!(
        advice[0].action.starts_with("send pings every 1."),
        "{}",
        advice[0].action
    );
    assert!(
        advice[0]
            .settings
            .iter()
            .all(|line| line.line.contains("ping"))
    );
}

#[test]
fn a_database_s_clients_are_no_clients_of_http() {
    let lines = lines_over(Protocol::PostgreSql, &[], None, &[]);
    assert!(
        lines.iter().any(|line| line == "node-postgres (client)"),
        "{lines:?}"
    );
    assert!(
        !lines.iter().any(|line| line.starts_with("httpx")),
        "{lines:?}"
    );
}

/// The same silent answer at three hops: the client's, a proxy's, and the next proxy's, which gave up.
fn passed_on() -> [Finding; 3] {
    let hop = |finding: &str| {
        let stands_for = sample::keepalive_race().connection.server;
        Some(crate::report::Hop {
            side: "front".to_owned(),
            stream: 1,
            capture: None,
            server: stands_for,
            finding: Some(finding.to_owned()),
            outcome: "truncated".to_owned(),
            tied_by: String::new(),
        })
    };
    let cut = |id: &str, port: u16| {
        let mut finding = sample::hang_up();
        finding.id = id.to_owned();
        finding.connection.server.port = port;
        finding.harm = Harm::ResponseTruncated;
        finding
    };
    let mut all = [cut("h1", 80), cut("h2", 8080), cut("r1", 3000)];
    all[0].hop = hop("h2");
    all[1].hop = hop("r1");
    all[2].cause = Cause::ResponseTimeout;
    all
}

#[test]
fn what_a_proxy_passed_on_is_advised_where_it_came_from() {
    let grounds = Grounds {
        timeouts: &[],
        alignment: &[],
        known: Knowledge::BuiltIn,
        stack: &[],
        silences: &Silences::default(),
        redirected: &BTreeMap::new(),
    };
    let mut all = passed_on();
    let advice = advise(&mut all.iter_mut().collect::<Vec<_>>(), &grounds);
    let [advice] = &advice[..] else {
        panic!("{advice:?}");
    };
    assert_eq!(
        advice.action,
        "let 10.77.1.3:3000 say something during long answers, or let callers wait longer than 3.00 s"
    );
    assert_eq!(advice.because, ["r1", "h1", "h2"]);
    assert!(all.iter().all(|finding| finding.advice == ["a1"]));

    // Where nothing is to be changed behind, it is to be found out in front.
    let mut all = passed_on();
    all[2].cause = Cause::Unexplained;
    let advice = advise(&mut all.iter_mut().collect::<Vec<_>>(), &grounds);
    assert!(advice.iter().any(|advice| advice.because == ["h2", "h1"]));
}

#[test]
fn who_forgot_without_a_silence_needs_no_keepalive() {
    let grounds = Grounds {
        timeouts: &[],
        alignment: &[],
        known: Knowledge::BuiltIn,
        stack: &[],
        silences: &Silences::default(),
        redirected: &BTreeMap::new(),
    };
    let mut finding = sample::hang_up();
    finding.cause = Cause::HalfOpen;
    let action = |finding: &mut Finding| advise(&mut [finding], &grounds)[0].action.clone();
    assert!(action(&mut finding).starts_with("send TCP keepalive probes"));
    finding.idle.kind = crate::verdict::IdleKind::None;
    assert_eq!(
        action(&mut finding),
        "find out why 10.77.1.3:3000 no longer knew connections that were in use"
    );
}
