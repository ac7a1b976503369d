//! What can go wrong with the database.

use gantry_model::Kind;

pub type Result<T> = std::result::Result<T, StoreError>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{what} is taken")]
    Taken { what: &'static str },
    #[error("the database was written by a later release (migration {version}); use that release or restore a backup")]
    Newer { version: i64 },
    #[error("bring the database up to date")]
    Migrate { source: sqlx::migrate::MigrateError },
    #[error("the database holds {column} = {value:?}, which this release can't read")]
    Unreadable { column: &'static str, value: String },
    #[error("ask the database")]
    Sql {
        #[from]
        source: sqlx::Error,
    },
}

impl StoreError {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Taken { .. } => Kind::Conflict,
            Self::Newer { .. } => Kind::Unsupported,
            _ => Kind::Internal,
        }
    }
}

/// Turns a broken UNIQUE rule into [`StoreError::Taken`].
pub(crate) fn unique(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match error.as_database_error() {
        Some(database) if database.is_unique_violation() => StoreError::Taken { what },
        _ => error.into(),
    }
}

/// Parses a column's text.
pub(crate) fn parsed<T: std::str::FromStr>(column: &'static str, value: &str) -> Result<T> {
    value.parse().map_err(|_| StoreError::Unreadable { column, value: value.to_owned() })
}

/// Reads a column's JSON.
pub(crate) fn json<T: serde::de::DeserializeOwned>(column: &'static str, value: &str) -> Result<T> {
    serde_json::from_str(value).map_err(|_| StoreError::Unreadable { column, value: value.chars().take(200).collect() })
}

/// Prints a value as JSON; all our types have text keys.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("types of the model have text keys and no failing parts")
}
