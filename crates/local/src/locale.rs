//! Queries the operating system for the user's preferred languages, and for the regions whose date and number formats
//! to use.

use serde::Serialize;
use ts_rs::TS;

/// The regions whose date and number formats are used, such as `DE`. `null` selects the default region of the language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
pub struct FormatRegions {
    dates: Option<String>,
    numbers: Option<String>,
}

/// Returns the user's preferred languages in order of preference, such as `de_AT` or `pt-BR`. The list is empty if the
/// system specifies no language.
///
/// On Linux, gettext's rules apply: the list in `LANGUAGE` takes precedence, unless the locale is `C` (GNU gettext
/// manual, "The LANGUAGE variable").
pub fn preferred_languages() -> Vec<String> {
    #[cfg(target_os = "linux")]
    return posix::languages_from_variables(posix::non_empty_variable);
    #[cfg(not(target_os = "linux"))]
    sys_locale::get_locales().collect()
}

/// Returns the regions whose formats the system specifies. On Linux, the first variable that is set applies, in the
/// order defined by POSIX: `LC_ALL`, then `LC_TIME` or `LC_NUMERIC`, then `LANG`.
pub fn format_regions() -> FormatRegions {
    #[cfg(target_os = "linux")]
    return posix::regions_from_variables(posix::non_empty_variable);
    #[cfg(not(target_os = "linux"))]
    {
        let region = sys_locale::get_locale().and_then(|tag| region_of_locale(&tag));
        FormatRegions { dates: region.clone(), numbers: region }
    }
}

/// Extracts the region from a locale name such as `de_AT.UTF-8@euro` (POSIX) or `zh-Hans-CN` (BCP 47).
fn region_of_locale(locale: &str) -> Option<String> {
    let tag = locale.split(['.', '@']).next()?;
    let is_region = |part: &&str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic()))
            || (part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    tag.split(['_', '-']).skip(1).find(is_region).map(str::to_ascii_uppercase)
}

#[cfg(target_os = "linux")]
mod posix {
    use super::{FormatRegions, region_of_locale};

    /// Reads an environment variable. An empty variable counts as unset.
    pub(super) fn non_empty_variable(name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    pub(super) fn languages_from_variables(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
        match locale_of_category("LC_MESSAGES", &variable) {
            None => Vec::new(),
            Some(locale) => match variable("LANGUAGE") {
                Some(list) => list.split(':').map(str::to_owned).collect(),
                None => vec![locale],
            },
        }
    }

    pub(super) fn regions_from_variables(variable: impl Fn(&str) -> Option<String>) -> FormatRegions {
        let of = |category| locale_of_category(category, &variable).and_then(|locale| region_of_locale(&locale));
        FormatRegions { dates: of("LC_TIME"), numbers: of("LC_NUMERIC") }
    }

    /// Returns the name of the locale that applies to a category such as `LC_TIME`, or `None` for `C` and `POSIX`,
    /// which specify no language.
    fn locale_of_category(category: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        let name = ["LC_ALL", category, "LANG"].into_iter().find_map(variable)?;
        (!matches!(&name[..], "C" | "POSIX")).then_some(name)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn variable_lookup<'a>(set: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
            |name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        }

        #[test]
        fn preferred_languages_follow_gettext() {
            for (set, expected) in [
                (&[("LANG", "en_US.UTF-8"), ("LANGUAGE", "de")][..], &["de"][..]),
                (&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "pt_BR.UTF-8")], &["pt_BR.UTF-8"]),
                (&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "fr_FR.UTF-8")], &["fr_FR.UTF-8"]),
                (&[("LANG", "de_DE.UTF-8"), ("LC_TIME", "en_GB.UTF-8")], &["de_DE.UTF-8"]),
                (&[("LC_ALL", "C.UTF-8"), ("LANGUAGE", "sv:de:en")], &["sv", "de", "en"]),
                (&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8"), ("LANGUAGE", "de")], &[]),
                (&[("LANGUAGE", "de")], &[]),
                (&[], &[]),
            ] {
                assert_eq!(languages_from_variables(variable_lookup(set)), expected, "{set:?}");
            }
        }

        #[test]
        fn format_regions_follow_their_locale_categories() {
            for (set, dates, numbers) in [
                (&[("LANG", "en_US.UTF-8"), ("LC_TIME", "de_DE.UTF-8")][..], Some("DE"), Some("US")),
                (&[("LANG", "en_US.UTF-8"), ("LC_NUMERIC", "de_CH.UTF-8")], Some("US"), Some("CH")),
                (&[("LC_ALL", "pt_BR.UTF-8"), ("LC_TIME", "de_DE.UTF-8")], Some("BR"), Some("BR")),
                (&[("LANG", "en_US.UTF-8"), ("LC_TIME", "C")], None, Some("US")),
                (&[("LANG", "C.UTF-8")], None, None),
                (&[], None, None),
            ] {
                let expected = FormatRegions { dates: dates.map(str::to_owned), numbers: numbers.map(str::to_owned) };
                assert_eq!(regions_from_variables(variable_lookup(set)), expected, "{set:?}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_of_locale_is_parsed_from_name() {
        for (name, expected) in [
            ("de_AT.UTF-8@euro", Some("AT")),
            ("ca_ES@valencia", Some("ES")),
            ("zh-Hans-CN", Some("CN")),
            ("es_419", Some("419")),
            ("en-us", Some("US")),
            ("C.UTF-8", None),
            ("de", None),
            ("", None),
        ] {
            assert_eq!(region_of_locale(name).as_deref(), expected, "{name}");
        }
    }
}
