//! Who comes in over TCP: programs with a token, and clients with a certificate.

use crate::authorize::authorize;
use crate::clock::now_ms;
use crate::events::EventKind;
use crate::users::fingerprint;
use crate::{Engine, EngineError, Result, random};
use gantry_model::{Action, Caller, Door, Kind, Role, TokenName};
use gantry_store::{tokens, users};
use std::collections::BTreeMap;

pub use gantry_store::tokens::TokenRow;

/// What a token begins with, so that a search for secrets finds it.
const PREFIX: &str = "gantry_";
/// How often the time of use is written.
const TOUCH_MS: i64 = 60_000;

impl Engine {
    /// Makes a token and returns it; it is shown this once, and stored only as a hash.
    pub async fn create_token(&self, caller: &Caller, name: TokenName, role: Role, expires_at_ms: Option<i64>) -> Result<String> {
        authorize(caller, Action::Administer)?;
        let now = now_ms();
        if expires_at_ms.is_some_and(|end| end <= now) {
            return Err(EngineError::said(Kind::Invalid, format!("token {name} would have ended already: give a later time")));
        }
        let token = format!("{PREFIX}{}", random::token());
        let row = TokenRow { name, role, owner: caller.user.clone(), created_at_ms: now, expires_at_ms, last_used_at_ms: None };
        tokens::insert(&self.inner.db, &row, &fingerprint(&token)).await.map_err(|error| match error.kind() {
            Kind::Conflict => EngineError::said(Kind::Conflict, format!("there is a token {} already", row.name)),
            _ => error.into(),
        })?;
        tracing::info!(token = %row.name, role = %role, "{} made the token {}", caller.user, row.name);
        self.tell_token("create", &row.name);
        Ok(token)
    }

    pub async fn tokens(&self, caller: &Caller) -> Result<Vec<TokenRow>> {
        authorize(caller, Action::Administer)?;
        Ok(tokens::all(&self.inner.db).await?)
    }

    /// From now on nobody comes in with it; what runs already goes on.
    pub async fn remove_token(&self, caller: &Caller, name: &TokenName) -> Result<()> {
        authorize(caller, Action::Administer)?;
        if !tokens::delete(&self.inner.db, name).await? {
            return Err(EngineError::said(Kind::NotFound, format!("no such token: {name}")));
        }
        tracing::info!(token = %name, "{} removed the token {name}", caller.user);
        self.tell_token("remove", name);
        Ok(())
    }

    /// Who a token lets in: its owner, with the token's role. `None` if it is unknown, has ended, or its owner is disabled.
    pub async fn caller_of_token(&self, token: &str) -> Result<Option<Caller>> {
        let right_form = token.strip_prefix(PREFIX).is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if !right_form {
            return Ok(None);
        }
        let now = now_ms();
        let Some(token) = tokens::alive(&self.inner.db, &fingerprint(token), now).await? else { return Ok(None) };
        if token.last_used_at_ms.is_none_or(|at| now - at > TOUCH_MS) {
            tokens::set_last_used(&self.inner.db, &token.name, now).await?;
        }
        Ok(Some(Caller { user: token.owner, role: token.role, door: Door::Api }))
    }

    /// Who a proven certificate lets in: the user of its name, or, where there is none, everybody with `others`.
    pub async fn caller_of_certificate(&self, name: &str, others: Option<Role>) -> Result<Option<Caller>> {
        let role = match users::get(&self.inner.db, name).await? {
            Some(user) => (!user.disabled).then_some(user.role),
            None => others,
        };
        Ok(role.map(|role| Caller { user: name.to_owned(), role, door: Door::Api }))
    }

    fn tell_token(&self, action: &str, name: &TokenName) {
        self.inner.events.publish(EventKind::User, format!("token-{action}"), name.as_str(), BTreeMap::new());
    }
}
