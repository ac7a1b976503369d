//! `/_ping` and `/version`.

use crate::answer::json;
use crate::caller::Peer;
use crate::error::ApiResult;
use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, ContentType, PRAGMA};
use actix_web::web::Data;
use gantry_engine::Engine;
use gantry_wire::docker::system::{Component, Platform, Version};
use gantry_wire::docker::{OLDEST, VERSION};
use std::collections::BTreeMap;

pub async fn ping(method: Method) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, "no-cache, no-store, must-revalidate")).insert_header((PRAGMA, "no-cache")).insert_header(ContentType::plaintext());
    if method == Method::HEAD { answer.finish() } else { answer.body("OK") }
}

pub async fn version(engine: Data<Engine>, Peer(caller): Peer) -> ApiResult {
    let host = engine.host_info(&caller).await?;
    let release = env!("CARGO_PKG_VERSION").to_owned();
    let details = [
        ("ApiVersion", VERSION.to_string()),
        ("Arch", go_arch(&host.architecture).to_owned()),
        ("Experimental", "false".to_owned()),
        ("KernelVersion", host.kernel.clone()),
        ("MinAPIVersion", OLDEST.to_string()),
        ("Os", "linux".to_owned()),
    ];
    Ok(json(&Version {
        platform: Platform { name: "Gantry".to_owned() },
        components: vec![Component {
            // The name docker's command line looks for.
            name: "Engine".to_owned(),
            version: release.clone(),
            details: details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>(),
        }],
        version: release,
        api_version: VERSION.to_string(),
        min_api_version: OLDEST.to_string(),
        os: "linux".to_owned(),
        arch: go_arch(&host.architecture).to_owned(),
        kernel_version: host.kernel,
        ..Version::default()
    }))
}

/// Go's name of an architecture, as images and `docker version` have it.
pub fn go_arch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" => "arm",
        "i686" => "386",
        other => other,
    }
}
