//! What needs a registry: pull, push, login, search. Who asks there is told by the client with each request; nothing of it is kept.

use crate::answer::json;
use crate::caller::Peer;
use crate::error::{ApiError, ApiResult};
use crate::images::reference;
use crate::query::{Json, Params};
use crate::transfer::{answer_bound, layer};
use actix_web::HttpRequest;
use actix_web::web::{Data, Path};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use gantry_engine::{Credentials, Engine, JobLine, PullWish, PushWish};
use gantry_model::{Caller, Kind};
use gantry_wire::docker::progress::Progress;
use gantry_wire::docker::registry::{AuthConfig, Found, LoggedIn};

/// Clients differ in the padding, and in two letters of the alphabet.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
/// A login is some hundred bytes, a token some thousand.
const LONGEST: usize = 64 << 10;

/// `POST /images/create` with `fromImage`.
pub async fn pull(request: &HttpRequest, engine: &Engine, caller: &Caller, params: &Params) -> ApiResult {
    let (image, tag) = (params.text("fromImage"), params.text("tag"));
    let platform = Some(params.text("platform").to_owned()).filter(|text| !text.is_empty());
    // Without a tag docker's server takes all of them; a name may bring its own.
    let all_tags = tag.is_empty() && !image.contains('@') && !image.rsplit('/').next().unwrap_or(image).contains(':');
    let wish = PullWish { reference: reference(image, tag)?, all_tags, platform, login: login(request)? };
    answer_bound(engine, engine.pull_image(caller, wish).await?, progress).await
}

/// `POST /images/{name}/push`.
pub async fn push(request: HttpRequest, engine: Data<Engine>, Peer(caller): Peer, name: Path<String>, params: Params) -> ApiResult {
    let tag = params.text("tag");
    let all_tags = tag.is_empty() && !name.rsplit('/').next().unwrap_or(&name).contains(':');
    let wish = PushWish { reference: reference(&name, tag)?, all_tags, login: login(&request)? };
    answer_bound(&engine, engine.push_image(&caller, wish).await?, progress).await
}

/// A line about a layer has a bar; the others are text. What a push made comes as data.
fn progress(line: &JobLine) -> Option<Progress> {
    Some(match (&line.id, line.progress) {
        (Some(id), Some(_)) => layer(id, line),
        (Some(id), None) => Progress { id: id.clone(), ..Progress::status(line.text.clone()) },
        (None, _) => match line.text.strip_prefix(gantry_engine::PUSHED) {
            Some(pushed) => Progress { progress_detail: Some(Default::default()), aux: serde_json::from_str(pushed).ok(), ..Progress::default() },
            None => Progress::status(line.text.clone()),
        },
    })
}

/// `POST /auth`.
pub async fn auth(engine: Data<Engine>, Peer(caller): Peer, Json(config): Json<AuthConfig>) -> ApiResult {
    let server = config.serveraddress.clone();
    engine.try_registry_login(&caller, &server, credentials(config)?.unwrap_or_default()).await?;
    Ok(json(&LoggedIn { status: "Login Succeeded".to_owned(), identity_token: String::new() }))
}

/// `GET /images/search`.
pub async fn search(request: HttpRequest, engine: Data<Engine>, Peer(caller): Peer, params: Params) -> ApiResult {
    let limit = params.parsed("limit")?.unwrap_or(25);
    let filters = params.filters(&["is-official", "is-automated", "stars"])?;
    let stars: i64 = filters.get("stars").first().map_or(Ok(0), |text| text.parse()).map_err(|_| ApiError::invalid("invalid filter 'stars': give a number"))?;
    let (official, automated) = (filters.flag("is-official")?, filters.flag("is-automated")?);
    let found = engine.search_images(&caller, params.text("term"), limit, login(&request)?).await?;
    let wanted = |found: &gantry_engine::FoundImage| {
        found.star_count >= stars && official.is_none_or(|wanted| wanted == found.is_official) && automated.is_none_or(|wanted| wanted == found.is_automated)
    };
    let row = |found: gantry_engine::FoundImage| Found {
        star_count: found.star_count,
        is_official: found.is_official,
        name: found.name,
        is_automated: found.is_automated,
        description: found.description,
    };
    Ok(json(&found.into_iter().filter(wanted).map(row).collect::<Vec<_>>()))
}

/// The login that the client sends along.
fn login(request: &HttpRequest) -> ApiResult<Option<Credentials>> {
    let Some(header) = request.headers().get("X-Registry-Auth") else { return Ok(None) };
    let bad = || ApiError::invalid("the header X-Registry-Auth is not base64 of a login in JSON");
    let text = header.to_str().ok().filter(|text| text.len() <= LONGEST).ok_or_else(bad)?;
    let bytes = decode(text).ok_or_else(bad)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    credentials(serde_json::from_slice(&bytes).map_err(|_| bad())?)
}

fn credentials(config: AuthConfig) -> ApiResult<Option<Credentials>> {
    let (mut username, mut password) = (config.username, config.password);
    if username.is_empty() && !config.auth.is_empty() {
        let pair = decode(&config.auth).and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = pair.as_deref().and_then(|pair| pair.split_once(':')).ok_or_else(|| ApiError::invalid("auth is not base64 of user:password"))?;
        (username, password) = (pair.0.to_owned(), pair.1.to_owned());
    }
    let login = Credentials { username, password, identity_token: config.identitytoken, registry_token: config.registrytoken };
    Ok(Some(login).filter(|login| !login.is_empty()))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let one = |alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(text.trim()).ok();
    one(&alphabet::URL_SAFE).or_else(|| one(&alphabet::STANDARD))
}

/// `GET /distribution/{name}/json`.
pub async fn distribution(request: HttpRequest, engine: Data<Engine>, Peer(caller): Peer, name: Path<String>) -> ApiResult {
    let remote = engine.remote_image(&caller, reference(&name, "")?, login(&request)?).await.map_err(|error| match ApiError::from(error) {
        // Docker's status for what it may not look at.
        error if error.message.contains("access denied") => ApiError { kind: Kind::Unauthenticated, ..error },
        error => error,
    })?;
    let platform = |platform: &(String, String, String)| {
        let mut row = serde_json::json!({ "architecture": platform.1, "os": platform.0 });
        if !platform.2.is_empty() {
            row["variant"] = platform.2.clone().into();
        }
        row
    };
    Ok(json(&serde_json::json!({
        "Descriptor": { "mediaType": remote.media_type, "digest": remote.digest.as_str(), "size": remote.size_bytes },
        "Platforms": remote.platforms.iter().map(platform).collect::<Vec<_>>(),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_read_however_the_client_wrote_it() {
        let config = AuthConfig { auth: "dXNlcjpwYTpzcw==".to_owned(), ..AuthConfig::default() };
        let login = credentials(config).expect("valid").expect("a login");
        assert_eq!((login.username.as_str(), login.password.as_str()), ("user", "pa:ss"));
        for text in ["e30=", "e30", "e30\n"] {
            assert_eq!(decode(text).as_deref(), Some(&b"{}"[..]), "{text}");
        }
        assert_eq!(decode("-_8="), decode("+/8"));
        assert!(credentials(AuthConfig { auth: "????".to_owned(), ..AuthConfig::default() }).is_err());
    }

    #[test]
    fn a_login_is_never_printed() {
        let config = AuthConfig { username: "user".to_owned(), password: "hunter2".to_owned(), ..AuthConfig::default() };
        assert!(!format!("{config:?} {:?}", credentials(config.clone()).expect("valid")).contains("hunter2"));
    }
}
