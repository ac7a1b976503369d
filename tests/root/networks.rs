//! Networks of users by the command line: made, joined, left and removed, also around the server's death.

use crate::support::{Server, until};

const WEB: &str = "mkdir -p /www; echo hello >/www/index.html; exec httpd -f -p 80 -h /www";

fn get(server: &Server, from: &str, url: &str) -> String {
    server.run(&["exec", from, "wget", "-qO-", url]).out
}

#[test]
#[ignore = "needs root"]
fn containers_find_each_other_on_a_network_by_their_names() {
    let mut server = Server::with_busybox();
    let id = server.ok(&["network", "create", "--label", "a=b", "shop"]);
    let again = server.run(&["network", "create", "shop"]);
    assert!(again.code == 1 && again.err.contains("network with name shop already exists"), "{}", again.err);
    let row = format!("{}   shop      bridge    local", &id[..12]);
    assert!(server.ok(&["network", "ls", "--filter", "label=a"]).ends_with(&row), "{row}");
    server.ok(&["run", "-d", "--name", "web", "--network", "shop", "--network-alias", "www", "busybox", "sh", "-c", WEB]);
    server.ok(&["run", "-d", "--name", "client", "busybox", "sleep", "1000"]);
    assert_eq!(get(&server, "client", "http://www/"), "");
    server.ok(&["network", "connect", "shop", "client"]);
    until("it is found by its alias", || get(&server, "client", "http://www/") == "hello\n");
    server.kill_9();
    server.begin();
    assert_eq!(get(&server, "client", "http://web/"), "hello\n");
    let said = server.run(&["network", "rm", "shop"]);
    assert!(said.code == 1 && said.err.contains("has active endpoints"), "{}", said.err);
    server.ok(&["network", "disconnect", "shop", "client"]);
    assert_eq!(get(&server, "client", "http://web/"), "");
    server.ok(&["rm", "-f", "web", "client"]);
    assert_eq!(server.ok(&["network", "prune", "-f"]), "Deleted Networks:\nshop");
    assert_eq!(server.ok(&["network", "ls", "-q", "--filter", "type=custom"]), "");
    server.nothing_is_left();
}
