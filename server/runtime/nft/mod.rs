//! The firewall by netlink: our own table, changed in transactions that happen as a whole or not at all. Tables of others are only looked at.
//! In: `plan::network`'s rules and elements. Out: the kernel holds them.
//! Source: Linux `include/uapi/linux/netfilter/nf_tables.h`, `include/uapi/linux/netfilter/nfnetlink.h`.

mod encode;
mod list;
mod redirect;
mod watch;

pub use list::{Obstacle, obstacles};
pub use redirect::Redirect;
pub use watch::Watch;

use crate::netlink::{Attributes, Batch, CREATE, EXCLUSIVE, NetworkError, Socket};
use encode::{APPEND_RULE, Family, element, message, name};
use gantry_plan::network::{Element, Map, Ruleset};
use rustix::io::Errno;

type Result<T> = std::result::Result<T, NetworkError>;

const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const GET_CHAIN: u16 = 4;
const DELETE_CHAIN: u16 = 5;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;
const DELETE_RULE: u16 = 8;
const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const GET_ELEMENT: u16 = 13;
const DELETE_ELEMENT: u16 = 14;

/// A connection to the kernel's firewall, for one table.
///
/// Closing it waits for the end of what was deleted lately in any table, 10 ms: keep it as long as somebody waits for you.
/// Source: Linux `net/netfilter/nf_tables_api.c`, `nft_rcv_nl_event`.
#[derive(Debug)]
pub struct Firewall {
    socket: Socket,
    table: String,
}

impl Firewall {
    /// # Errors
    /// [`NetworkError::Unsupported`] on a kernel without nf_tables.
    pub fn open(table: &str) -> Result<Self> {
        match Socket::netfilter() {
            Ok(socket) => Ok(Self { socket, table: table.to_owned() }),
            Err(Errno::PROTONOSUPPORT) => Err(NetworkError::Unsupported("this kernel has no nf_tables: networks other than host and none need it".to_owned())),
            Err(errno) => Err(failed("open a netlink socket for the firewall", errno)),
        }
    }

    /// Makes table, chains and rules, if they are not there just so. Elements stay.
    ///
    /// # Errors
    /// If the kernel refuses; nothing is changed then.
    pub fn ensure(&self, rules: &Ruleset) -> Result<()> {
        let tag = rules.tag();
        if self.has(rules, &tag).map_err(|errno| self.failed("look at", errno))? {
            return Ok(());
        }
        let mut batch = Batch::default();
        transaction(&mut batch, |batch| {
            message(batch, NEW_TABLE, CREATE, Family::Ip, |m| {
                m.text(name::TABLE, &self.table);
            });
            for map in Map::ALL {
                message(batch, NEW_SET, CREATE, Family::Ip, |m| encode::map(m, &self.table, map));
            }
            for chain in &rules.chains {
                message(batch, NEW_CHAIN, CREATE, Family::Ip, |m| encode::chain(m, &self.table, chain));
                message(batch, DELETE_RULE, 0, Family::Ip, |m| {
                    m.text(name::RULE_TABLE, &self.table).text(name::RULE_CHAIN, chain.name);
                });
                for rule in &chain.rules {
                    message(batch, NEW_RULE, CREATE | APPEND_RULE, Family::Ip, |m| encode::rule(m, &self.table, chain.name, rule, &tag));
                }
            }
        });
        self.commit(&batch).map_err(|errno| self.failed("make the rules of", errno))
    }

    /// Whether all rules are there, and of this ruleset.
    fn has(&self, rules: &Ruleset, tag: &str) -> std::result::Result<bool, Errno> {
        let present = list::rule_comments(&self.socket, &self.table)?;
        Ok(present.len() == rules.rule_count() && present.iter().all(|comment| comment == tag))
    }

    /// Adds published ports. Whoever had one of them in the table is gone: the caller holds the ports themselves.
    ///
    /// # Errors
    /// If the kernel refuses; nothing is changed then.
    pub fn publish(&self, elements: &[Element]) -> Result<()> {
        if elements.is_empty() {
            return Ok(());
        }
        let result = match self.change(&[], elements) {
            Err(Errno::EXIST | Errno::BUSY) => {
                let present = list::elements(&self.socket, &self.table).map_err(|errno| self.failed("look at", errno))?;
                let old: Vec<Element> = present.into_iter().filter(|old| elements.iter().any(|new| new.same_key(old))).collect();
                self.change(&old, elements)
            }
            other => other,
        };
        result.map_err(|errno| self.failed("publish ports in", errno))
    }

    /// Takes published ports back. Those that are gone are no error.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn withdraw(&self, elements: &[Element]) -> Result<()> {
        if elements.is_empty() {
            return Ok(());
        }
        let result = match self.change(elements, &[]) {
            Err(Errno::NOENT) => {
                let present = list::elements(&self.socket, &self.table).unwrap_or_default();
                let ours: Vec<Element> = present.into_iter().filter(|element| elements.contains(element)).collect();
                if ours.is_empty() { Ok(()) } else { self.change(&ours, &[]) }
            }
            other => other,
        };
        result.map_err(|errno| self.failed("take published ports out of", errno))
    }

    /// All published ports; none if there is no such table.
    ///
    /// # Errors
    /// If the kernel does not list them.
    pub fn published(&self) -> Result<Vec<Element>> {
        list::elements(&self.socket, &self.table).map_err(|errno| self.failed("look at", errno))
    }

    /// Removes the table; one that is gone is success.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn remove(&self) -> Result<()> {
        let mut batch = Batch::default();
        transaction(&mut batch, |batch| {
            message(batch, DELETE_TABLE, 0, Family::Ip, |m| {
                m.text(name::TABLE, &self.table);
            });
        });
        match self.commit(&batch) {
            Err(Errno::NOENT) => Ok(()),
            other => other.map_err(|errno| self.failed("remove", errno)),
        }
    }

    fn change(&self, old: &[Element], new: &[Element]) -> std::result::Result<(), Errno> {
        let mut batch = Batch::default();
        transaction(&mut batch, |batch| {
            for (elements, kind, flags) in [(old, DELETE_ELEMENT, 0), (new, NEW_ELEMENT, CREATE | EXCLUSIVE)] {
                for map in Map::ALL {
                    let of_map: Vec<&Element> = elements.iter().filter(|element| element.map() == map).collect();
                    if !of_map.is_empty() {
                        message(batch, kind, flags, Family::Ip, |m| self.elements(m, map, &of_map, kind == NEW_ELEMENT));
                    }
                }
            }
        });
        self.commit(&batch)
    }

    fn elements(&self, m: &mut Attributes<'_>, map: Map, elements: &[&Element], whole: bool) {
        m.text(name::ELEMENTS_TABLE, &self.table).text(name::ELEMENTS_SET, map.name());
        m.nest(name::ELEMENTS, |m| elements.iter().for_each(|one| element(m, one, whole)));
    }

    fn commit(&self, batch: &Batch) -> std::result::Result<(), Errno> {
        encode::commit(&self.socket, batch)
    }

    fn failed(&self, what: &str, errno: Errno) -> NetworkError {
        failed(&format!("{what} the nftables table {}", self.table), errno)
    }
}

fn failed(what: &str, errno: Errno) -> NetworkError {
    NetworkError::Step { what: what.to_owned(), errno }
}

/// Puts messages between the marks of a transaction. The last one is acknowledged.
fn transaction(batch: &mut Batch, messages: impl FnOnce(&mut Batch)) {
    encode::begin(batch);
    messages(batch);
    encode::end(batch);
}
