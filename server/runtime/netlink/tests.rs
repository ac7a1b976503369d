//! Real links and a real firewall, in namespaces of each test's own.

use super::lab::*;
use super::*;
use crate::nft::{Firewall, obstacles};
use std::net::Ipv4Addr;

const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const REMOTE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

#[test]
#[ignore = "needs root"]
fn a_container_has_address_route_and_hardware_address_and_no_ipv6() {
    let host = Host::new();
    let container = host.container(USUAL, 2, &[]);
    let link = container.sh("ip -o addr show dev eth0; ip -o link show dev eth0; ip route; cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6");
    assert!(link.contains("inet 10.99.0.2/24 brd 10.99.0.255"), "{link}");
    assert!(link.contains("02:42:0a:63:00:02") && link.contains("state UP"), "{link}");
    assert!(link.contains("default via 10.99.0.1 dev eth0"), "{link}");
    assert!(!link.contains("inet6") && link.ends_with("1\n"), "{link}");
    container.sh("ip -6 addr show dev lo | grep -q ::1");
    let bridge = host.net.sh("ip -o addr show dev br-a; ip -o link show dev br-a; cat /proc/sys/net/ipv6/conf/br-a/accept_ra");
    assert!(bridge.contains("10.99.0.1/24") && bridge.contains("02:42:0a:63:00:01") && bridge.ends_with("0\n"), "{bridge}");
}

#[test]
#[ignore = "needs root"]
fn containers_reach_each_other_the_host_and_the_world() {
    let host = Host::new();
    let (one, two) = (host.container(USUAL, 2, &[]), host.container(USUAL, 3, &[]));
    serve_tcp(&two, 80);
    serve_udp(&two, 80);
    serve_tcp(&host.net, 81);
    serve_tcp(&host.remote, 82);
    assert_eq!(ask_tcp(&one, USUAL.ip(3), 80).as_deref(), Some("10.99.0.2"));
    assert_eq!(ask_udp(&one, USUAL.ip(3), 80).as_deref(), Some("10.99.0.2"));
    assert_eq!(ask_tcp(&one, USUAL.ip(1), 81).as_deref(), Some("10.99.0.2"));
    assert_eq!(ask_tcp(&host.net, USUAL.ip(3), 80).as_deref(), Some("10.99.0.1"));
    // The world sees the host's address.
    assert_eq!(ask_tcp(&one, REMOTE, 82).as_deref(), Some("192.0.2.1"));
}

#[test]
#[ignore = "needs root"]
fn a_published_port_answers_from_everywhere() {
    for bridge_netfilter in [0, 1] {
        let host = Host::new();
        host.net.sh(&format!("sysctl -qw net.bridge.bridge-nf-call-iptables={bridge_netfilter} || true"));
        check_published(&host);
    }
}

fn check_published(host: &Host) {
    let (web, other) = (host.container(USUAL, 2, &["8080:80", "8080:80/udp"]), host.container(USUAL, 3, &[]));
    serve_tcp(&web, 80);
    serve_udp(&web, 80);
    for ask in [ask_tcp as fn(&Net, Ipv4Addr, u16) -> Option<String>, ask_udp] {
        // A client outside keeps its address.
        assert_eq!(ask(&host.remote, HOST, 8080).as_deref(), Some("192.0.2.2"));
        assert_eq!(ask(&host.net, Ipv4Addr::LOCALHOST, 8080).as_deref(), Some("10.99.0.1"));
        assert_eq!(ask(&host.net, Ipv4Addr::new(127, 0, 0, 7), 8080).as_deref(), Some("10.99.0.1"));
        assert_eq!(ask(&host.net, HOST, 8080).as_deref(), Some("192.0.2.1"));
        assert_eq!(ask(&other, HOST, 8080).as_deref(), Some("10.99.0.1"));
        assert_eq!(ask(&other, USUAL.ip(1), 8080).as_deref(), Some("10.99.0.1"));
        // By itself, by way of the host.
        assert_eq!(ask(&web, HOST, 8080).as_deref(), Some("10.99.0.1"));
    }
}

#[test]
#[ignore = "needs root"]
fn a_port_published_at_one_address_is_at_no_other() {
    let host = Host::new();
    let web = host.container(USUAL, 2, &["127.0.0.1:8080:80", "192.0.2.1:8081:80"]);
    serve_tcp(&web, 80);
    assert_eq!(ask_tcp(&host.net, Ipv4Addr::LOCALHOST, 8080).as_deref(), Some("10.99.0.1"));
    assert_eq!(ask_tcp(&host.remote, HOST, 8080), None);
    assert_eq!(ask_tcp(&host.remote, HOST, 8081).as_deref(), Some("192.0.2.2"));
    assert_eq!(ask_tcp(&host.net, Ipv4Addr::LOCALHOST, 8081), None);
}

#[test]
#[ignore = "needs root"]
fn what_is_not_published_is_closed_to_neighbours_that_have_a_route() {
    let host = Host::new();
    let web = host.container(USUAL, 2, &["8080:80"]);
    serve_tcp(&web, 80);
    serve_udp(&web, 80);
    assert_eq!(ask_tcp(&host.remote, USUAL.ip(2), 80), None);
    assert_eq!(ask_udp(&host.remote, USUAL.ip(2), 80), None);
    // The route itself is good.
    host.net.sh("nft flush chain ip table-a forward");
    assert_eq!(ask_tcp(&host.remote, USUAL.ip(2), 80).as_deref(), Some("192.0.2.2"));
}

#[test]
#[ignore = "needs root"]
fn nobody_outside_reaches_what_listens_on_the_hosts_loopback() {
    let host = Host::new();
    let web = host.container(USUAL, 2, &["127.0.0.1:8080:80"]);
    serve_tcp(&web, 80);
    let secret = host.net.run(|| std::net::UdpSocket::bind("127.0.0.1:99").expect("free"));
    secret.set_read_timeout(Some(std::time::Duration::from_millis(300))).expect("possible");
    let heard = || secret.recv_from(&mut [0; 8]).is_ok();
    // A neighbour and a container send to the host's hardware address for 127.0.0.1, as CVE-2020-8558 did.
    let forge = "sysctl -qw net.ipv4.conf.all.route_localnet=1; ip addr del 127.0.0.1/8 dev lo; ip route del table local 127.0.0.0/8 dev lo 2>/dev/null || true; ip route add 127.0.0.0/8 dev eth0 via";
    host.remote.sh(&format!("{forge} 192.0.2.1"));
    web.sh(&format!("{forge} 10.99.0.1"));
    for sender in [&host.remote, &web] {
        assert_eq!(ask_udp(sender, Ipv4Addr::LOCALHOST, 99), None);
        assert!(!heard());
        assert_eq!(ask_tcp(sender, Ipv4Addr::LOCALHOST, 8080), None);
    }
    // It is the guard that keeps the container out: the kernel alone would not.
    host.net.sh("nft flush chain ip table-a guard");
    ask_udp(&web, Ipv4Addr::LOCALHOST, 99);
    assert!(heard());
}

#[test]
#[ignore = "needs root"]
fn containers_that_may_not_talk_only_meet_at_published_ports() {
    let host = Host::new();
    let apart = Choice { inter_container: false, ..USUAL };
    // With br_netfilter, frames to published ports do not leave the bridge, and isolated ports keep them apart, too.
    host.net.sh("sysctl -qw net.bridge.bridge-nf-call-iptables=0 || true");
    let (one, two) = (host.container(apart, 2, &[]), host.container(apart, 3, &["8080:80"]));
    serve_tcp(&two, 80);
    assert_eq!(ask_tcp(&one, apart.ip(3), 80), None);
    // By way of the host, too.
    one.sh("ip route add 10.99.0.3 via 10.99.0.1");
    assert_eq!(ask_tcp(&one, apart.ip(3), 80), None);
    assert_eq!(ask_tcp(&one, HOST, 8080).as_deref(), Some("10.99.0.1"));
    assert_eq!(ask_tcp(&host.net, apart.ip(3), 80).as_deref(), Some("10.99.0.1"));
}

#[test]
#[ignore = "needs root"]
fn a_bridge_that_was_changed_is_made_right() {
    let host = Host::new();
    let one = host.container(USUAL, 2, &["8080:80"]);
    serve_tcp(&one, 80);
    host.net
        .sh("ip addr flush dev br-a; ip addr add 10.7.7.7/24 dev br-a; ip link set br-a down; sysctl -qw net.ipv4.ip_forward=0; nft flush table ip table-a");
    let _two = host.container(USUAL, 3, &[]);
    assert_eq!(ask_tcp(&host.remote, HOST, 8080).as_deref(), Some("192.0.2.2"));
    let addresses = host.net.sh("ip -4 -o addr show dev br-a");
    assert!(addresses.contains("10.99.0.1/24") && !addresses.contains("10.7.7.7"), "{addresses}");
}

#[test]
#[ignore = "needs root"]
fn a_name_that_is_no_bridges_is_refused() {
    let host = Host::new();
    host.net.sh("ip link add br-a type veth peer name other");
    let error = host.net.run(|| ensure_bridge(&USUAL.plan(2).bridge)).expect_err("not a bridge");
    assert!(error.to_string().contains("br-a is there already and is no bridge"), "{error}");
    host.net.run(|| remove_bridge("br-a")).expect("left alone");
    host.net.sh("ip link show br-a");
}

#[test]
#[ignore = "needs root"]
fn rules_are_made_once_and_made_again_when_somebody_took_them() {
    let host = Host::new();
    let plan = USUAL.plan(2);
    let ensure = || host.net.run(|| Firewall::open("table-a").and_then(|firewall| firewall.ensure(&plan.rules)).expect("rules"));
    let table = || host.net.sh("nft list table ip table-a");
    ensure();
    let first = table();
    let handles = || host.net.sh("nft -a list table ip table-a");
    let before = handles();
    ensure();
    assert_eq!(before, handles());
    for damage in ["nft flush chain ip table-a guard", "nft flush ruleset", "nft add rule ip table-a forward drop"] {
        host.net.sh(damage);
        ensure();
        assert_eq!(first, table(), "{damage}");
    }
}

#[test]
#[ignore = "needs root"]
fn damage_to_our_table_is_heard_of_and_nothing_else() {
    let host = Host::new();
    let other = Choice { bridge: "br-b", table: "table-b", subnet: 1, ..USUAL };
    host.container(USUAL, 2, &["8080:80"]);
    host.container(other, 2, &["8081:80"]);
    let watch = host.net.run(|| crate::nft::Watch::open("table-a").expect("open"));
    for (script, expected) in [
        ("nft delete table ip table-b", false),
        ("nft add element ip table-a published '{ tcp . 1 : 10.99.0.2 . 1 }'; nft delete element ip table-a published '{ tcp . 1 }'", false),
        ("nft flush chain ip table-a guard", true),
        ("true", false),
        ("nft flush ruleset", true),
    ] {
        host.net.sh(script);
        assert_eq!(watch.is_damaged().expect("heard"), expected, "{script}");
    }
}

#[test]
#[ignore = "needs root"]
fn nft_reads_the_rules_as_they_were_meant() {
    let host = Host::new();
    host.container(USUAL, 2, &["8080:80", "192.0.2.1:53:53/udp"]);
    let table = host.net.sh("nft list table ip table-a");
    for chain in USUAL.plan(2).rules.chains {
        for rule in chain.rules {
            assert!(table.contains(&format!("\t{rule} comment")), "{rule} is not in {table}");
        }
    }
    assert!(table.contains("tcp . 8080 comment \"owner-2\" : 10.99.0.2 . 80"), "{table}");
    assert!(table.contains("udp . 192.0.2.1 . 53 comment \"owner-2\" : 10.99.0.2 . 53"), "{table}");
}

#[test]
#[ignore = "needs root"]
fn published_ports_are_taken_back_and_taken_over() {
    let host = Host::new();
    let firewall = |act: &(dyn Fn(&Firewall) + Sync)| host.net.run(|| act(&Firewall::open("table-a").expect("open")));
    host.container(USUAL, 2, &["8080:80", "127.0.0.1:8081:80", "9000-9100:9000-9100"]);
    firewall(&|firewall| {
        let mut mine = firewall.published().expect("listed");
        assert_eq!(mine.len(), 103);
        assert!(mine.iter().all(|element| element.owner == "owner-2"));
        let rest = mine.split_off(3);
        firewall.withdraw(&rest).expect("taken back");
        firewall.withdraw(&rest).expect("no error twice");
        mine.sort();
        let mut left = firewall.published().expect("listed");
        left.sort();
        assert_eq!(left, mine);
        // Some of them are gone already.
        let mut all = rest;
        all.extend(mine);
        firewall.withdraw(&all).expect("taken back");
        assert_eq!(firewall.published().expect("listed"), []);
    });
    host.publish(USUAL, 3, &["8080:80"]);
    // The one before died and left its port here.
    host.publish(USUAL, 4, &["8080:81", "8082:81"]);
    firewall(&|firewall| {
        let mut owners: Vec<_> = firewall.published().expect("listed").into_iter().map(|element| (element.host_port, element.owner)).collect();
        owners.sort();
        assert_eq!(owners, [(8080, "owner-4".to_owned()), (8082, "owner-4".to_owned())]);
    });
}

#[test]
#[ignore = "needs root"]
fn a_container_comes_back_while_its_old_namespace_is_still_held() {
    let host = Host::new();
    let old = Net::new();
    let new = Net::new();
    let first = host.join(USUAL, 2, &old);
    let second = host.join(USUAL, 2, &new);
    assert_ne!(first, second);

    serve_tcp(&new, 80);
    assert_eq!(ask_tcp(&host.net, USUAL.ip(2), 80).as_deref(), Some("10.99.0.1"));
    let ports = host.net.run(|| bridge_ports("br-a")).expect("listed");
    assert_eq!(ports.iter().map(|port| port.name.as_str()).collect::<Vec<_>>(), [second.as_str()]);
}

#[test]
#[ignore = "needs root"]
fn tunnels_in_the_namespace_are_no_hindrance() {
    let host = Host::new();
    let container = Net::new();
    container.sh("ip link add other1 type veth peer name other2");
    host.join(USUAL, 2, &container);
    let routes = container.sh("ip route");
    assert!(routes.contains("default via 10.99.0.1 dev eth0"), "{routes}");
}

#[test]
#[ignore = "needs root"]
fn two_servers_run_side_by_side() {
    let host = Host::new();
    let other = Choice { bridge: "br-b", table: "table-b", subnet: 1, ..USUAL };
    let (one, two) = (host.container(USUAL, 2, &["8080:80"]), host.container(other, 2, &["8081:80"]));
    serve_tcp(&one, 80);
    serve_tcp(&two, 80);
    for port in [8080, 8081] {
        assert_eq!(ask_tcp(&host.remote, HOST, port).as_deref(), Some("192.0.2.2"), "{port}");
        assert!(ask_tcp(&host.net, Ipv4Addr::LOCALHOST, port).is_some(), "{port}");
    }
    // Networks are apart but for what is published.
    assert_eq!(ask_tcp(&one, other.ip(2), 80), None);
    assert!(ask_tcp(&one, HOST, 8081).is_some());
    host.net.run(|| {
        Firewall::open("table-b").and_then(|firewall| firewall.remove()).expect("removed");
        remove_bridge("br-b").expect("removed");
    });
    assert_eq!(ask_tcp(&host.remote, HOST, 8080).as_deref(), Some("192.0.2.2"));
}

#[test]
#[ignore = "needs root"]
fn removal_leaves_nothing_and_may_be_repeated() {
    let host = Host::new();
    let before = host.net.sh("ip -o link | grep -v '^.*up0' ; nft list ruleset");
    host.container(USUAL, 2, &["8080:80"]);
    for _ in 0..2 {
        host.net.run(|| {
            Firewall::open("table-a").and_then(|firewall| firewall.remove()).expect("removed");
            for port in bridge_ports("br-a").expect("listed") {
                delete_link(port.index).expect("deleted");
            }
            remove_bridge("br-a").expect("removed");
        });
    }
    assert_eq!(host.net.sh("ip -o link | grep -v '^.*up0' ; nft list ruleset"), before);
}

#[test]
#[ignore = "needs root"]
fn a_forward_policy_of_others_that_drops_is_found() {
    let host = Host::new();
    let _one = host.container(USUAL, 2, &[]);
    let found = || host.net.run(|| obstacles("table-a").expect("listed"));
    assert_eq!(found(), []);
    host.net.sh("iptables-nft -P FORWARD DROP");
    let chains = |list: Vec<crate::nft::Obstacle>| list.into_iter().map(|one| (one.chain, one.has_docker_user)).collect::<Vec<_>>();
    assert_eq!(chains(found()), [("ip filter FORWARD".to_owned(), false)]);
    host.net.sh("iptables-nft -N DOCKER-USER; nft add table inet fw; nft 'add chain inet fw f { type filter hook forward priority 0; policy drop; }'");
    let mut all = chains(found());
    all.sort();
    assert_eq!(all, [("inet fw f".to_owned(), true), ("ip filter FORWARD".to_owned(), true)]);
}
