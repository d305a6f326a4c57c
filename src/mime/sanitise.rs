//! HTML made safe to show: no scripts, no forms, nothing that loads from elsewhere.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use ammonia::{Builder, UrlRelative};
use regex::bytes::Regex;

use super::{decode, html::is_tame};

/// Largest result, and the most of the source that is looked at, in bytes.
const LIMIT: usize = 1024 * 1024;

/// Style properties that may stay: how text and tables look, nothing that lies over other parts of the page.
const STYLES: &str = "background-color border border-bottom border-bottom-color border-bottom-style border-bottom-width border-collapse \
    border-color border-left border-left-color border-left-style border-left-width border-radius border-right border-right-color \
    border-right-style border-right-width border-spacing border-style border-top border-top-color border-top-style border-top-width \
    border-width color direction display font font-family font-size font-style font-variant font-weight height letter-spacing \
    line-height list-style-type margin margin-bottom margin-left margin-right margin-top max-width min-width padding padding-bottom \
    padding-left padding-right padding-top table-layout text-align text-decoration text-indent text-transform vertical-align \
    white-space width word-break word-spacing word-wrap";

/// Elements and styles that load something. Some vanish whole, so that only the source shows them.
static LOADING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)<(?:[a-z]+\s[^<>]*?(?:src|srcset|data|poster|background)|(?:link|image|use)\s[^<>]*?href)\s*=\s*["']?\s*(?:https?:)?//|url\(\s*["']?\s*(?:https?:)?//|@import"#,
    )
    .expect("the pattern is fixed")
});

/// Safe HTML and whether remote content was taken out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Safe {
    /// The HTML, at most 1 MiB.
    pub html: String,
    /// Whether the original would have loaded something from elsewhere.
    pub blocked: bool,
}

/// Makes HTML safe.
///
/// `cid:` and `data:image/` stay where images are. Of HTML beyond 1 MiB only the beginning is taken. HTML that nests too deeply for
/// any reader gives none.
pub(super) fn sanitised(source: &str) -> Safe {
    if source.trim().is_empty() || !is_tame(source) {
        return Safe::default();
    }
    let mut source = decode::cut(source, LIMIT);
    let blocked = Arc::new(AtomicBool::new(LOADING.is_match(source.as_bytes())));
    let cleaner = cleaner(Arc::clone(&blocked));
    loop {
        let html = cleaner.clean(source).to_string();
        if html.len() <= LIMIT {
            return Safe {
                html,
                blocked: blocked.load(Ordering::Relaxed),
            };
        }
        // Escaping made it longer: take less of the source.
        source = decode::cut(source, source.len() / 2);
    }
}

fn cleaner(blocked: Arc<AtomicBool>) -> Builder<'static> {
    let mut builder = Builder::default();
    builder
        .add_tags(["font", "u", "big", "tt", "address"])
        .rm_tags(["article", "aside", "nav", "map", "area"])
        .add_generic_attributes([
            "align",
            "valign",
            "bgcolor",
            "color",
            "dir",
            "height",
            "width",
            "style",
            "background",
        ])
        .add_tag_attributes("table", ["border", "cellpadding", "cellspacing"])
        .add_tag_attributes("font", ["face", "size"])
        .add_tag_attributes("td", ["colspan", "rowspan", "nowrap"])
        .add_tag_attributes("a", ["name"])
        .add_clean_content_tags(["title", "template", "noembed", "noframes", "iframe", "textarea", "select", "option"])
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel", "cid", "data"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer"))
        .set_tag_attribute_value("a", "target", "_blank")
        .filter_style_properties(STYLES.split_whitespace().collect())
        .attribute_filter(move |element, attribute, value| {
            let kept = filtered(element, attribute, value);
            let loads = matches!(attribute, "src" | "background" | "style") && kept.as_deref() != Some(value);
            if loads && is_remote(value) {
                blocked.store(true, Ordering::Relaxed);
            }
            kept
        });
    builder
}

fn filtered<'v>(element: &str, attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    match attribute {
        "src" if element == "img" => is_carried(value).then_some(Cow::Borrowed(value)),
        "href" => (!has_scheme(value, &["cid:", "data:"])).then_some(Cow::Borrowed(value)),
        "src" | "background" | "cite" | "longdesc" => None,
        "style" => Some(safe_style(value)),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// Whether an image is in the message itself.
fn is_carried(url: &str) -> bool {
    has_scheme(url, &["cid:", "data:image/"]) && !has_scheme(url, &["data:image/svg"])
}

fn has_scheme(url: &str, schemes: &[&str]) -> bool {
    // Browsers pass over control characters and white space in a scheme.
    let start: String = url.chars().filter(|c| !c.is_whitespace() && !c.is_control()).take(16).collect();
    let start = start.to_ascii_lowercase();
    schemes.iter().any(|scheme| start.starts_with(scheme))
}

fn is_remote(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.contains("//")
}

/// Declarations that may load or compute something are left out. Which properties may stay is decided by the caller.
fn safe_style(value: &str) -> Cow<'_, str> {
    let harmless = |declaration: &str| {
        let declaration = declaration.to_ascii_lowercase();
        !["url", "image", "expression", "import", "src", "\\", "/*", "var(", "attr("]
            .iter()
            .any(|part| declaration.contains(part))
    };
    if harmless(value) {
        return Cow::Borrowed(value);
    }
    let kept: Vec<&str> = value.split(';').filter(|declaration| harmless(declaration)).collect();
    Cow::Owned(kept.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "target=\"_blank\" rel=\"noopener noreferrer\"";

    fn check(source: &str, html: &str, blocked: bool) {
        let expected = Safe {
            html: html.to_owned(),
            blocked,
        };
        assert_eq!(sanitised(source), expected, "{source}");
    }

    #[test]
    fn nothing_runs_or_submits() {
        check("a<script>alert(1)</script><b onclick=x()>b</b>", "a<b>b</b>", false);
        check("<form action=/x><input name=a>t</form>", "t", false);
        check("<a href=\"javascript:x()\">a</a>", &format!("<a {LINK}>a</a>"), false);
        check(
            "<a href=\"data:text/html,x\">a</a>",
            "<a rel=\"noopener noreferrer\" target=\"_blank\">a</a>",
            false,
        );
        check("<iframe srcdoc=\"<p>x\"></iframe><svg onload=x()></svg>", "", false);
        check(
            "<base href=\"https://x.example/\"><meta http-equiv=refresh content=\"0;url=x\">t",
            "t",
            false,
        );
    }

    #[test]
    fn links_open_elsewhere() {
        check(
            "<a href=\"https://x.example/\" target=_top>a</a>",
            "<a href=\"https://x.example/\" target=\"_blank\" rel=\"noopener noreferrer\">a</a>",
            false,
        );
    }

    #[test]
    fn remote_content_is_blocked_and_carried_content_stays() {
        check("<img src=\"https://x.example/p.gif\" alt=p>", "<img alt=\"p\">", true);
        check("<img src=\"//x.example/p.gif\">", "<img>", true);
        check("<img src=\"cid:a@b\">", "<img src=\"cid:a@b\">", false);
        check(
            "<img src=\"data:image/png;base64,eA==\">",
            "<img src=\"data:image/png;base64,eA==\">",
            false,
        );
        check("<img src=\"data:image/svg+xml,x\">", "<img>", false);
        check("<img srcset=\"https://x.example/a 2x\">", "<img>", true);
        check("<img src=\"&#104;ttps://x.example/a\">", "<img>", true);
        check(
            "<a href=\"https://x.example/\">https://x.example/</a>",
            &format!("<a href=\"https://x.example/\" {LINK}>https://x.example/</a>"),
            false,
        );
        check(
            "<p style=\"color:red;background-image:url(https://x.example/a)\">x</p>",
            "<p style=\"color:red\">x</p>",
            true,
        );
        check("<td background=\"https://x.example/a\">x</td>", "x", true);
        check("<style>@import 'https://x.example/a.css';</style>x", "x", true);
        check("<link rel=stylesheet href=\"https://x.example/a.css\">x", "x", true);
        check(
            "<p style=\"position:fixed;color:blue\">x</p>",
            "<p style=\"color:blue\">x</p>",
            false,
        );
        check("<p style=\"color:\\75rl(x)\">x</p>", "<p style=\"\">x</p>", false);
    }

    #[test]
    fn size_is_bounded() {
        let safe = sanitised(&"&lt;".repeat(LIMIT / 4));
        assert!(safe.html.len() <= LIMIT && safe.html.len() > LIMIT / 8);
        assert!(sanitised(&"\"'<br>&amp;".repeat(LIMIT / 4)).html.len() <= LIMIT);
        check(&"<b>".repeat(10_000), "", false);
    }
}
