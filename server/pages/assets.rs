//! The browser's files: scripts, styles and icons, named by their content and compressed when Gantry was built.
//! In: a file's name in a template, or a request. Out: its path, or its bytes in the best encoding the browser takes.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse};

/// One file in its three encodings.
pub(crate) struct Asset {
    /// As written in `web`: `app.js`.
    pub name: &'static str,
    /// As the browser asks for it: `/assets/app-5RDXQWFZ.js`.
    pub path: &'static str,
    pub media_type: &'static str,
    /// Beginning of its SHA-256.
    pub tag: &'static str,
    pub plain: &'static [u8],
    pub gzip: &'static [u8],
    pub brotli: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The path of `gantry.css`, `terminal.css`, `app.js` or `gantry.svg` for a template.
///
/// # Panics
/// For a name that the build did not make: a slip in a template, which the first test that renders it finds.
pub fn path(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).unwrap_or_else(|| panic!("no asset {name} was built from web/")).path
}

/// Serves `/assets/{file}` to everyone: there is nothing secret in it.
pub async fn serve(request: HttpRequest) -> HttpResponse {
    let Some(asset) = ASSETS.iter().find(|asset| asset.path == request.path()) else {
        return HttpResponse::NotFound().insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff")).body("no such file");
    };
    let (encoding, bytes) = match best_encoding(request.headers()) {
        Encoding::Brotli => (Some("br"), asset.brotli),
        Encoding::Gzip => (Some("gzip"), asset.gzip),
        Encoding::Plain => (None, asset.plain),
    };
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| tags.contains(asset.tag));
    let mut response = HttpResponse::build(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    response
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((header::ETAG, format!("\"{}-{}\"", asset.tag, encoding.unwrap_or("plain"))))
        .insert_header((header::VARY, "accept-encoding"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if known {
        return response.finish();
    }
    if let Some(encoding) = encoding {
        response.insert_header((header::CONTENT_ENCODING, encoding));
    }
    response.content_type(asset.media_type).body(bytes)
}

#[derive(Debug, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
    Plain,
}

/// Source: RFC 9110, section 12.5.3; `q=0` is a refusal.
fn best_encoding(headers: &HeaderMap) -> Encoding {
    let taken = |wanted: &str| {
        headers.get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|item| {
            let mut parts = item.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
            named && !parts.filter_map(|part| part.strip_prefix("q=")).any(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0))
        })
    };
    match () {
        () if taken("br") => Encoding::Brotli,
        () if taken("gzip") => Encoding::Gzip,
        () => Encoding::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};
    use actix_web::{App, test, web};

    async fn get(path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        let app = test::init_service(App::new().route("/assets/{file}", web::get().to(serve))).await;
        let mut request = test::TestRequest::get().uri(path);
        for header in headers {
            request = request.insert_header(*header);
        }
        let response = test::call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, test::read_body(response).await.to_vec())
    }

    fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers.get(name).map_or("", |value| value.to_str().expect("our own header is text"))
    }

    #[actix_web::test]
    async fn a_file_comes_in_the_best_encoding_and_may_be_kept_for_ever() {
        let path = path("app.js");
        let (status, headers, brotli) = get(path, &[("accept-encoding", "gzip, deflate, br, zstd")]).await;
        assert_eq!((status, header(&headers, "content-encoding")), (StatusCode::OK, "br"));
        assert_eq!(header(&headers, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!((header(&headers, "x-content-type-options"), header(&headers, "vary")), ("nosniff", "accept-encoding"));
        assert!(header(&headers, "cache-control").contains("immutable"));
        let (_, headers, plain) = get(path, &[]).await;
        assert_eq!(header(&headers, "content-encoding"), "");
        assert!(!brotli.is_empty() && brotli.len() < plain.len(), "{} of {} bytes", brotli.len(), plain.len());
    }

    #[actix_web::test]
    async fn a_browser_that_has_it_gets_no_bytes() {
        let (_, headers, _) = get(path("app.js"), &[("accept-encoding", "br")]).await;
        let (status, _, body) = get(path("app.js"), &[("accept-encoding", "br"), ("if-none-match", header(&headers, "etag"))]).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    }

    #[actix_web::test]
    async fn only_what_was_built_is_served() {
        for path in ["/assets/nothing.js", "/assets/manifest.txt", "/assets/..%2fmanifest.txt"] {
            assert_eq!(get(path, &[]).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[actix_web::test]
    async fn a_refused_encoding_is_not_sent() {
        let check = |value: &'static str, wanted: Encoding| {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static("accept-encoding"), HeaderValue::from_static(value));
            assert_eq!(best_encoding(&headers), wanted, "{value}");
        };
        check("br;q=0, gzip", Encoding::Gzip);
        check("BR", Encoding::Brotli);
        check("gzip;q=0.5, br;q=0.001", Encoding::Brotli);
        check("identity", Encoding::Plain);
        check("brotli, xgzip", Encoding::Plain);
    }
}
