//! Which column is what, by the names that data sets give them.

use std::path::Path;

use crate::error::{Error, Result};

/// Names of a column, the most telling ones first; each is written small and without `_`, `-` and
/// spaces. Two columns of one rank are an ambiguity.
pub(crate) type Names = &'static [&'static [&'static str]];

/// What a column can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Item,
    Time,
    Category,
    Action,
    Weight,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Item => "item",
            Self::Time => "time",
            Self::Category => "category",
            Self::Action => "action",
            Self::Weight => "weight",
        }
    }

    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::User => "--user-column",
            Self::Item => "--item-column",
            Self::Time => "--time-column",
            Self::Category => "--category-column",
            Self::Action => "--action-column",
            Self::Weight => "--weight-column",
        }
    }
}

/// The names of each role's column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Roles {
    pub(crate) user: Names,
    pub(crate) item: Names,
    pub(crate) time: Names,
    pub(crate) category: Names,
    pub(crate) action: Names,
    pub(crate) weight: Names,
}

/// A session stands in for a user only where nothing else does.
const USER: Names = &[
    &["user", "userid", "uid"],
    &[
        "visitorid",
        "customerid",
        "customer",
        "reviewerid",
        "reviewer",
        "memberid",
        "buyerid",
        "accountid",
        "clientid",
        "profileid",
        "userpseudoid",
        "anonymousid",
        "deviceid",
        "msno",
    ],
    &["sessionid", "session", "usersession"],
];
const ITEM: Names = &[
    &["item", "itemid", "iid"],
    &[
        "movieid",
        "videoid",
        "productid",
        "articleid",
        "parentasin",
        "trackid",
        "songid",
        "bookid",
        "isbn",
        "artistid",
        "venueid",
        "locationid",
        "poiid",
        "businessid",
        "gmapid",
        "newsid",
        "recipeid",
        "gameid",
        "appid",
        "animeid",
        "contentid",
        "sku",
    ],
    &["asin", "movie", "video", "product", "article", "track", "song", "book", "artist", "venue", "location"],
];
/// `time` may be an hour of the day, `date` a day: a timestamp goes before both.
const TIME: Names = &[
    &["timestamp", "ts"],
    &[
        "timems",
        "timestampms",
        "unixreviewtime",
        "unixs",
        "unixtime",
        "unixtimestamp",
        "epoch",
        "epochms",
        "eventtime",
        "eventtimestamp",
        "createdat",
        "utctime",
        "checkintime",
        "interactiontime",
        "ratedat",
    ],
    &["time", "datetime", "timestr"],
    &["date", "tdat", "eventdate", "reviewtime", "day"],
];
const CATEGORY: Names = &[
    &["category"],
    &["categories"],
    &["genre"],
    &["genres"],
    &["categoryid"],
    &["categoryname"],
    &["itemcategory"],
    &["categorycode"],
    &["cateid"],
    &["catid"],
    &["cate"],
    &["maincategory"],
    &["producttypename"],
    &["venuecategoryname"],
    &["class"],
    &["tags"],
    &["tag"],
];
const ACTION: Names = &[
    &["action"],
    &["event", "eventtype", "eventname"],
    &["behavior", "behaviour", "behaviortype", "behaviourtype"],
    &["actiontype", "interactiontype"],
];
const WEIGHT: Names = &[&["weight"], &["rating"], &["overall"], &["stars"]];

impl Roles {
    /// The names that data sets commonly use.
    pub(crate) const USUAL: Self =
        Self { user: USER, item: ITEM, time: TIME, category: CATEGORY, action: ACTION, weight: WEIGHT };

    /// How many of a header's names tell the user, the item or the time.
    pub(crate) fn known(header: &[String]) -> usize {
        let tells = |names: Names| {
            header.iter().any(|name| names.iter().any(|rank| rank.contains(&&plain(name)[..])))
        };
        [USER, ITEM, TIME].into_iter().filter(|names| tells(names)).count()
    }
}

/// A column's name in small letters, without signs between its words and without RecBole's type.
pub(crate) fn plain(name: &str) -> String {
    untyped(name)
        .chars()
        .filter(|char| !['_', '-', ' ', '.'].contains(char))
        .flat_map(char::to_lowercase)
        .collect()
}

/// A column's name without RecBole's type.
pub(crate) fn untyped(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((name, "token" | "float" | "token_seq" | "float_seq")) => name,
        _ => name,
    }
}

/// The names of a file's columns.
pub(crate) struct Header<'a> {
    pub(crate) path: &'a Path,
    pub(crate) names: &'a [String],
    /// Whether the file itself has the names.
    pub(crate) own: bool,
}

impl Header<'_> {
    /// The column that is named, by its name or its number; an error where there is none.
    pub(crate) fn given(&self, role: Role, given: &str) -> Result<usize> {
        let exact = |name: &String| untyped(name) == given || name == given;
        let alike = |name: &String| plain(name) == plain(given);
        if let Some(at) = self.names.iter().position(exact) {
            return Ok(at);
        }
        let found: Vec<usize> = (0..self.names.len()).filter(|&at| alike(&self.names[at])).collect();
        if let [at] = found[..] {
            return Ok(at);
        }
        let number = given.parse::<usize>().ok().filter(|number| (1..=self.names.len()).contains(number));
        number.map(|number| number - 1).ok_or_else(|| {
            let problem = format!("no column {given} {}", self.shown());
            Error::column(
                self.path,
                problem,
                format!("name one of these, or its number, with {}", role.option()),
            )
        })
    }

    /// The column of a role by its usual names; none where there is none, an error where several of
    /// one rank could be it.
    pub(crate) fn find(&self, role: Role, names: Names) -> Result<Option<usize>> {
        for rank in names {
            let found: Vec<usize> =
                (0..self.names.len()).filter(|&at| rank.contains(&&plain(&self.names[at])[..])).collect();
            match found[..] {
                [] => {}
                [at] => return Ok(Some(at)),
                _ => {
                    let both: Vec<&str> = found.iter().map(|&at| untyped(&self.names[at])).collect();
                    let problem =
                        format!("the columns {} could each be the {}", both.join(" and "), role.name());
                    let remedy = format!("say which it is with {}", role.option());
                    return Err(Error::column(self.path, problem, remedy));
                }
            }
        }
        Ok(None)
    }

    /// The column of a role; an error where there is none.
    pub(crate) fn require(&self, role: Role, given: Option<&str>, names: Names) -> Result<usize> {
        if let Some(given) = given {
            return self.given(role, given);
        }
        self.find(role, names)?.ok_or_else(|| {
            let problem = format!("no column for the {} {}", role.name(), self.shown());
            Error::column(self.path, problem, format!("name it, or give its number, with {}", role.option()))
        })
    }

    /// The columns, for people.
    pub(crate) fn shown(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(|name| untyped(name)).collect();
        let where_ = if self.own { "in the header" } else { "among the columns, which have no header" };
        format!("{where_} ({})", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(role: Role, names: Names, header: &[&str]) -> Result<Option<usize>> {
        let names_of: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        Header { path: Path::new("x.csv"), names: &names_of, own: true }.find(role, names)
    }

    #[test]
    fn the_most_telling_name_is_taken() {
        assert_eq!(find(Role::Time, TIME, &["time", "date", "timestamp"]).unwrap(), Some(2));
        assert_eq!(find(Role::Time, TIME, &["hourmin", "time_ms", "date"]).unwrap(), Some(1));
        assert_eq!(find(Role::User, USER, &["session_id", "userId"]).unwrap(), Some(1));
        assert_eq!(find(Role::User, USER, &["x", "Session ID"]).unwrap(), Some(1));
        assert_eq!(find(Role::Item, ITEM, &["asin", "parent_asin"]).unwrap(), Some(1));
        assert_eq!(find(Role::Item, ITEM, &["item_id:token"]).unwrap(), Some(0));
        assert_eq!(find(Role::Item, ITEM, &["", "thing"]).unwrap(), None);
    }

    #[test]
    fn two_of_one_rank_are_an_ambiguity() {
        let error = find(Role::User, USER, &["user", "user_id"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "x.csv: the columns user and user_id could each be the user; say which it is with --user-column"
        );
    }

    #[test]
    fn a_given_column_is_a_name_or_a_number() {
        let names: Vec<String> = ["a", "2", "Some Name:token"].map(str::to_owned).to_vec();
        let header = Header { path: Path::new("x.csv"), names: &names, own: true };
        let at = |given| header.given(Role::Item, given).map_err(|error| error.to_string());
        assert_eq!((at("a"), at("2"), at("3"), at("some_name")), (Ok(0), Ok(1), Ok(2), Ok(2)));
        let error = at("4").unwrap_err();
        assert!(
            error.contains("no column 4 in the header (a, 2, Some Name)") && error.contains("--item-column")
        );
    }
}
