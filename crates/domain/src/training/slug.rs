//! URL-safe names of projects and models: `My Project 1` becomes `my-project-1`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A URL-safe name of 1 to 128 characters: `a-z`, `0-9` and single inner hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slug(String);

impl Slug {
    /// Maximum length of a slug that is created from arbitrary text, in characters.
    pub const MAX_LEN: usize = 128;

    /// Creates a slug from text by the same rules as the published client. Uses `fallback` if the text contains no
    /// Latin letter or digit.
    pub fn of(text: &str, fallback: &'static str) -> Self {
        let mut slug = String::new();
        for c in text.chars().flat_map(char::to_lowercase) {
            match c {
                'a'..='z' | '0'..='9' => slug.push(c),
                ' ' | '-' if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
                _ => {}
            }
            if slug.len() == Self::MAX_LEN {
                break;
            }
        }
        slug.truncate(slug.trim_end_matches('-').len());
        Self(if slug.is_empty() { fallback.to_owned() } else { slug })
    }

    /// Creates the slug of a project from `owner/project` or `project`. The owner is ignored, because there is only one
    /// workspace.
    pub fn of_project(text: &str) -> Self {
        let project = text.split_once('/').map_or(text, |(_, project)| project);
        Self::of(&project.replace('/', "-"), "project")
    }

    /// Returns the slug with a number appended, such as `exp1-2`.
    pub fn with_number(&self, number: u64) -> Self {
        Self(format!("{}-{number}", self.0))
    }

    /// Parses a stored slug.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        valid.then(|| Self(text.to_owned()))
    }

    /// Returns the slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slug_agrees_with_the_python_client() {
        for (text, slug) in [
            ("My Project 1", "my-project-1"),
            ("exp1", "exp1"),
            ("--a -- b--", "a-b"),
            ("a_b.c", "abc"),
            ("../../etc/passwd", "etcpasswd"),
            ("学習", "train"),
            ("", "train"),
        ] {
            assert_eq!(Slug::of(text, "train").as_str(), slug, "{text:?}");
        }
        assert_eq!(Slug::of_project("username/project").as_str(), "project");
        assert_eq!(Slug::of_project("project").as_str(), "project");
        assert_eq!(Slug::of_project("ada/a/b").as_str(), "a-b");
    }

    proptest! {
        #[test]
        fn slug_of_any_text_is_valid(text in ".{0,200}") {
            let slug = Slug::of(&text, "x");
            prop_assert!((1..=Slug::MAX_LEN).contains(&slug.as_str().len()));
            prop_assert_eq!(Slug::of(slug.as_str(), "x"), slug.clone());
            prop_assert_eq!(Slug::parse(slug.as_str()), Some(slug));
        }
    }
}
