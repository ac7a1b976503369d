use super::*;

const BRIDGE: [(IpAddr, u8); 1] = [(IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1)), 16)];
const CONTAINER: [(IpAddr, u8); 1] = [(IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2)), 16)];
const GATEWAY: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1))];

fn wish() -> Wish<'static> {
    Wish {
        bridge: "br0",
        addresses: &BRIDGE,
        mtu: None,
        masquerade: true,
        inter_container: true,
        internal: false,
        table: "t",
        interface: "eth0",
        host_interface: "gv1",
        mac: "02:42:0a:09:00:02",
        container_addresses: &CONTAINER,
        gateways: &GATEWAY,
        publishes: false,
    }
}

#[test]
fn a_bridge_has_these_rules() {
    let rules = plan(&wish()).expect("possible").rules;
    let expected = "\
guard: type filter hook prerouting priority -300
  iifname \"br0\" ip saddr 127.0.0.0/8 drop
  iifname \"br0\" ip daddr 127.0.0.0/8 drop
forward: type filter hook forward priority 0
  oifname \"br0\" ct state established,related accept
  oifname \"br0\" ct status dnat accept
  iifname != \"br0\" oifname \"br0\" drop
prerouting: type nat hook prerouting priority -100
  ip daddr 127.0.0.0/8 return
  dnat ip to meta l4proto . ip daddr . th dport map @published-at
  fib daddr type local dnat ip to meta l4proto . th dport map @published
output: type nat hook output priority -100
  dnat ip to meta l4proto . ip daddr . th dport map @published-at
  fib daddr type local dnat ip to meta l4proto . th dport map @published
postrouting: type nat hook postrouting priority 100
  ip saddr 10.9.0.0/16 oifname != \"br0\" masquerade
  oifname \"br0\" ip saddr 10.9.0.0/16 ct status dnat masquerade
  oifname \"br0\" ip saddr 127.0.0.0/8 masquerade
";
    assert_eq!(rules.to_string(), expected);
    assert_eq!(rules.rule_count(), 13);
}

#[test]
fn containers_that_may_not_talk_are_kept_apart_on_both_ways() {
    let apart = plan(&Wish { inter_container: false, ..wish() }).expect("possible");
    assert!(apart.veth.isolated);
    assert!(apart.rules.to_string().contains("  iifname \"br0\" oifname \"br0\" drop\n"));
    assert_ne!(apart.rules.tag(), plan(&wish()).expect("possible").rules.tag());
}

#[test]
fn nothing_is_hidden_without_masquerading() {
    let open = plan(&Wish { masquerade: false, ..wish() }).expect("possible").rules.to_string();
    assert!(!open.contains("oifname != \"br0\" masquerade"), "{open}");
}

#[test]
fn an_internal_network_leads_nowhere() {
    let rules = plan(&Wish { internal: true, ..wish() }).expect("possible").rules.to_string();
    let forward = "priority 0\n  iifname \"br0\" oifname != \"br0\" drop\n  iifname != \"br0\" oifname \"br0\" drop\nprerouting";
    assert!(rules.contains(forward) && !rules.contains("oifname != \"br0\" masquerade"), "{rules}");
}

#[test]
fn ipv6_is_off_unless_there_is_an_address_for_it() {
    let settings =
        |plan: &Plan| plan.host_sysctls.iter().chain(&plan.container_sysctls).map(|s| format!("{}={}", s.path, s.value)).collect::<Vec<_>>().join(" ");
    let v4 = settings(&plan(&wish()).expect("possible"));
    assert!(v4.contains("ipv6/conf/default/disable_ipv6=1") && v4.contains("ipv6/conf/br0/disable_ipv6=1"), "{v4}");
    let both = [CONTAINER[0], ("fd00::2".parse().expect("an address"), 64)];
    let v6 = settings(&plan(&Wish { container_addresses: &both, ..wish() }).expect("possible"));
    assert!(v6.contains("ipv6/conf/default/accept_ra=0") && !v6.contains("default/disable_ipv6"), "{v6}");
}

#[test]
fn the_way_to_loopback_opens_after_its_guard_stands() {
    let plan = plan(&wish()).expect("possible");
    assert!(plan.host_sysctls.iter().any(|sysctl| sysctl.path == "ipv4/conf/br0/route_localnet" && !sysctl.shared));
    assert!(plan.host_sysctls.iter().all(|sysctl| sysctl.shared == (sysctl.path == "ipv4/ip_forward")));
}

#[test]
fn a_published_port_is_an_element_of_the_map_it_belongs_to() {
    let ports: Vec<PortBinding> =
        ["8080:80", "127.0.0.1:53:53/udp", "0.0.0.0:1:1", "[::1]:9:9"].iter().flat_map(|text| PortBinding::parse(text).expect("a port")).collect();
    let elements = published("id", Ipv4Addr::new(10, 9, 0, 2), &ports);
    let maps: Vec<_> = elements.iter().map(|element| (element.map(), element.host_port)).collect();
    assert_eq!(maps, [(Map::Anywhere, 8080), (Map::At, 53), (Map::Anywhere, 1)]);
    assert!(elements.iter().all(|element| element.owner == "id" && element.container == Ipv4Addr::new(10, 9, 0, 2)));
}

#[test]
fn ports_collide_if_one_address_would_have_both() {
    let port = |text: &str| PortBinding::parse(text).expect("a port").remove(0);
    for (one, other, expected) in [
        ("80:80", "80:81", true),
        ("80:80", "80:80/udp", false),
        ("127.0.0.1:80:80", "127.0.0.2:80:80", false),
        ("127.0.0.1:80:80", "80:80", true),
        ("80", "80", false),
    ] {
        assert_eq!(collide(&port(one), &port(other)), expected, "{one} {other}");
    }
}

#[test]
fn a_wrong_hardware_address_is_refused() {
    for bad in ["", "02:42", "02:42:0a:09:00:02:01", "2:42:0a:09:00:02", "zz:42:0a:09:00:02"] {
        assert!(matches!(plan(&Wish { mac: bad, ..wish() }), Err(PlanError::Mac(_))), "{bad}");
    }
}
