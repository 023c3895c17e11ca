//! What a list of licenses shows: its filters, order and position, as the query of its URL.

use std::fmt::Write as _;
use std::time::Duration;

use super::form::{Form, encode};
use super::signed_in_user::SignedInUser;
use crate::model::Standing;
use crate::store::{Cursor, Error, Filter, ReadTransaction, Sort};
use opterius_base::clock::Timestamp;

/// The maximum length of a text in the query, in characters.
const MAX_TEXT: usize = 128;

/// The longest time within which licenses can be asked to expire, in days.
const MAX_DAYS: u32 = 3650;

/// The filters, the order and the position of a list. What a URL has wrong is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListQuery {
    pub(super) search: String,
    /// The name of an owner.
    pub(super) owner: String,
    /// The slug of a plan.
    pub(super) plan: String,
    pub(super) label: String,
    pub(super) standing: Option<Standing>,
    /// Active licenses that expire within this number of days.
    pub(super) expiring: Option<u32>,
    pub(super) over_limit: bool,
    pub(super) never_used: bool,
    pub(super) trial: bool,
    pub(super) sort: Option<Sort>,
    /// A position in the list.
    pub(super) after: String,
}

impl ListQuery {
    /// All licenses of this owner.
    pub(super) fn of_owner(name: &str) -> Self {
        Self { owner: name.to_owned(), ..Self::default() }
    }

    /// Reads the query of a URL. Only an administrator can choose an owner.
    pub(super) fn read(form: &Form, signed_in_user: &SignedInUser) -> Self {
        let text = |name: &str| form.text(name).chars().take(MAX_TEXT).collect::<String>();
        let has = |name: &str| form.text(name) == "1";
        Self {
            search: text("q"),
            owner: if signed_in_user.user.administrator { text("owner") } else { String::new() },
            plan: text("plan"),
            label: text("label"),
            standing: Standing::ALL.iter().copied().find(|known| known.as_str() == form.text("standing")),
            expiring: form.text("expiring").parse().ok().filter(|days| (1..=MAX_DAYS).contains(days)),
            over_limit: has("over"),
            never_used: has("unused"),
            trial: has("trial"),
            sort: Sort::ALL.iter().copied().find(|known| known.as_str() == form.text("sort")),
            after: text("after"),
        }
    }

    /// The names and values of the query, without those that are not set.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let yes = |asked: bool| if asked { "1".to_owned() } else { String::new() };
        let fields = [
            ("q", self.search.clone()),
            ("owner", self.owner.clone()),
            ("standing", self.standing.map_or("", Standing::as_str).to_owned()),
            ("plan", self.plan.clone()),
            ("expiring", self.expiring.map(|days| days.to_string()).unwrap_or_default()),
            ("over", yes(self.over_limit)),
            ("unused", yes(self.never_used)),
            ("trial", yes(self.trial)),
            ("label", self.label.clone()),
            ("sort", self.sort.map_or("", Sort::as_str).to_owned()),
            ("after", self.after.clone()),
        ];
        fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The URL of this list at a path.
    pub(super) fn url(&self, path: impl std::fmt::Display) -> String {
        let mut url = path.to_string();
        for (index, (name, value)) in self.fields().iter().enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            // Writing to a String cannot fail.
            let _ = write!(url, "{separator}{name}={}", encode(value));
        }
        url
    }

    /// The same list from its beginning, changed.
    pub(super) fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut query = Self { after: String::new(), ..self.clone() };
        change(&mut query);
        query
    }

    /// Whether it has a filter or a search.
    pub(super) fn is_filtered(&self) -> bool {
        Self { sort: None, after: String::new(), ..self.clone() } != Self::default()
    }

    /// Whether it has a filter beside the search.
    pub(super) fn has_filters(&self) -> bool {
        self.with(|list| list.search = String::new()).is_filtered()
    }

    /// The order: what is about to expire, or has expired, by that; all else with the newest first.
    pub(super) fn order(&self) -> Sort {
        self.sort.unwrap_or(match self.standing {
            _ if self.expiring.is_some() => Sort::Expiry,
            Some(Standing::Expired) => Sort::LatestExpiry,
            _ => Sort::Newest,
        })
    }

    /// The filter for the store; `None` if it names an owner who does not exist. An owner sees only own licenses.
    pub(super) fn filter(
        &self,
        transaction: &ReadTransaction<'_>,
        signed_in_user: &SignedInUser,
        now: Timestamp,
    ) -> Result<Option<Filter>, Error> {
        let owner = if !signed_in_user.user.administrator {
            Some(signed_in_user.user.id)
        } else if self.owner.is_empty() {
            None
        } else {
            let Some((user, _)) = transaction.user(&self.owner)? else { return Ok(None) };
            Some(user.id)
        };
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let sort = self.order();
        let until = |days: u32| now.plus(Duration::from_secs(u64::from(days).saturating_mul(86_400)));
        Ok(Some(Filter {
            owner,
            search: some(&self.search),
            plan: some(&self.plan),
            label: some(&self.label),
            standing: self.standing.or(self.expiring.map(|_| Standing::Active)),
            expires_after: self.expiring.map(|_| now),
            expires_before: self.expiring.map(until),
            over_limit: self.over_limit,
            never_used: self.never_used,
            trial: self.trial,
            sort,
            after: Cursor::parse(&self.after, sort),
            ..Filter::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::User;

    fn read(text: &str, administrator: bool) -> ListQuery {
        let user = User {
            id: 1,
            name: "anna".to_owned(),
            display_name: String::new(),
            mail: None,
            administrator,
            disabled_at: None,
            has_password: true,
            second_factor_at: None,
            created_at: Timestamp::from_unix(0),
        };
        let signed_in_user = SignedInUser { user, token: String::new() };
        ListQuery::read(&Form::parse(text.as_bytes()).unwrap(), &signed_in_user)
    }

    #[test]
    fn the_url_of_a_list_leads_to_the_same_list() {
        let query = "q=a+b%26&owner=anna&standing=expired&plan=free&expiring=30&over=1&unused=1&trial=1&label=x\
                     &sort=owner&after=anna.7";
        let list = read(query, true);
        let url = list.url("/licenses");
        assert_eq!(read(url.strip_prefix("/licenses?").unwrap(), true), list);
        assert_eq!(list.with(|list| list.trial = false).after, "");
        assert_eq!(ListQuery::default().url("/licenses"), "/licenses");
    }

    #[test]
    fn what_a_url_has_wrong_is_left_out() {
        for query in ["standing=gone", "sort=size", "expiring=0", "expiring=-1", "expiring=99999", "over=yes", "x=1"] {
            assert_eq!(read(query, true), ListQuery::default(), "{query}");
        }
        assert_eq!(read("owner=bert", false), ListQuery::default(), "an owner has no choice of owners");
    }
}
