//! The unix socket and the server on it.

use crate::connection::Hijackable;
use crate::{caller, routes, version};
use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_rt::net::UnixStream;
use actix_server::Server;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use gantry_engine::Engine;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Who may open the socket besides root, if there is such a group.
const DEFAULT_GROUP: &str = "gantry";
/// A head that comes slower is refused.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("another server answers on {0}: stop it, or choose another --socket")]
    Busy(PathBuf),
    #[error("{0} is there and is no socket: move it away, or choose another --socket")]
    NotASocket(PathBuf),
    #[error("there is no group {0:?}: make it with groupadd, or leave --socket-group out")]
    NoGroup(String),
    #[error("{what} {path}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

/// Serves the API on `socket`. Its mode is 0660 and its group `group`, or `gantry` where there is such a group.
///
/// Needs a running actix system. The server ends by its handle; open streams end with the engine.
pub fn listen(engine: Engine, socket: &Path, group: Option<&str>) -> Result<Server, ListenError> {
    let listener = bind(socket, group)?;
    let engine = web::Data::new(engine);
    let serve = move || fn_service(|io: UnixStream| async move { Ok((Hijackable::new(io), Protocol::Http1, None)) }).and_then(http(&engine));
    let built = Server::build().workers(2).disable_signals().shutdown_timeout(5).listen_uds("docker-api", listener, serve);
    Ok(built.map_err(failed("listen on", socket))?.run())
}

/// The server behind both doors: bytes of one connection in, answers out.
pub fn http(
    engine: &web::Data<Engine>,
) -> impl ServiceFactory<(Hijackable, Protocol, Option<SocketAddr>), Config = (), Response = (), Error = DispatchError, InitError = ()> + use<> {
    let app = App::new().app_data(engine.clone()).configure(routes::configure).wrap(from_fn(caller::authenticate)).wrap(from_fn(version::negotiate));
    HttpService::build()
        // One head is looked at on a connection, so there is one request on it.
        .keep_alive(KeepAlive::Disabled)
        .client_request_timeout(HEAD_TIMEOUT)
        .on_connect_ext(|io: &Hijackable, data| drop(data.insert(io.connection())))
        .finish(map_config(actix_service::IntoServiceFactory::into_factory(app), |()| AppConfig::default()))
}

/// Binds the socket. One that is left over is replaced; one on which somebody answers is not.
fn bind(path: &Path, group: Option<&str>) -> Result<net::UnixListener, ListenError> {
    let group = group_id(group)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    match path.symlink_metadata() {
        Err(_) => {}
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) if net::UnixStream::connect(path).is_ok() => return Err(ListenError::Busy(path.to_owned())),
        Ok(_) => std::fs::remove_file(path).map_err(failed("remove the old", path))?,
    }
    let listener = net::UnixListener::bind(path).map_err(failed("bind", path))?;
    // Until here it is ours alone: connecting needs the right to write, which no umask in use gives to others.
    std::os::unix::fs::chown(path, None, group).map_err(failed("give to its group", path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed("set the mode of", path))?;
    Ok(listener)
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ListenError {
    let path = path.to_owned();
    move |source| ListenError::Io { what, path, source }
}

/// Members of the group must be able to come to the socket.
fn make_folder(folder: &Path) -> Result<(), ListenError> {
    if folder.is_dir() {
        let mode = folder.metadata().map_err(failed("look at", folder))?.permissions().mode();
        // The run folder is the engine's and private; passing through it tells nothing.
        return std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode & 0o7777 | 0o711)).map_err(failed("open to passers-by", folder));
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(failed("make the folder", folder))?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).map_err(failed("set the mode of", folder))
}

/// The number of the group asked for, or of the default one if it is there.
fn group_id(name: Option<&str>) -> Result<Option<u32>, ListenError> {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let find = |wanted: &str| {
        groups.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == wanted).then(|| fields.nth(1)?.parse().ok()).flatten()
        })
    };
    match name {
        None => Ok(find(DEFAULT_GROUP)),
        Some(name) => find(name).or_else(|| name.parse().ok()).map(Some).ok_or_else(|| ListenError::NoGroup(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_socket_has_its_mode_and_a_dead_one_is_replaced() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("run/g.sock");
        drop(bind(&path, None).expect("bound"));
        assert_eq!(path.metadata().expect("is there").mode() & 0o777, 0o660);
        assert_eq!(path.parent().and_then(|run| run.metadata().ok()).expect("is there").mode() & 0o777, 0o755);
        let _alive = bind(&path, Some("0")).expect("nobody answers on the old one");
        assert!(matches!(bind(&path, None), Err(ListenError::Busy(_))));
    }

    #[test]
    fn what_is_no_socket_stays_and_an_unknown_group_is_told() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = folder.path().join("precious");
        std::fs::write(&path, "data").expect("written");
        assert!(matches!(bind(&path, None), Err(ListenError::NotASocket(_))));
        assert!(matches!(bind(&folder.path().join("s"), Some("no-such-group")), Err(ListenError::NoGroup(_))));
    }
}
