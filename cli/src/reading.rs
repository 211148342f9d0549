//! How a data set is written: the same options for all that read files.

use clap::Args;
use hmisr_datasets::{Delimiter, Format, Options, Summary};

use crate::failure::Failure;
use crate::outcome::Least;

/// How many actions are named.
const MOST_ACTIONS: usize = 3;

/// What a data set's files do not say themselves; docs/data.md lists the layouts.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "How the data are written")]
pub struct ReadingArgs {
    /// The layout: auto, which tells it by the files' names and content, jsonl, csv, or a data set's
    /// name such as movielens, recbole, amazon or taobao.
    #[arg(long, value_name = "NAME")]
    pub format: Option<Format>,
    /// Column of the user, where it is not called user_id, customer_id, visitorid or the like: its name,
    /// its number counted from 1, or in JSON lines a pointer such as /user/id.
    #[arg(long, value_name = "NAME")]
    pub user_column: Option<String>,
    /// Column of the item, where it is not called item_id, movieId, product_id or the like.
    #[arg(long, value_name = "NAME")]
    pub item_column: Option<String>,
    /// Column of the time, where it is not called timestamp, ts, event_time, time or date.
    #[arg(long, value_name = "NAME")]
    pub time_column: Option<String>,
    /// Columns of the item's categories, in the events or in the file of items beside them; repeatable.
    #[arg(long = "category-column", value_name = "NAME")]
    pub category_columns: Vec<String>,
    /// Column of what the user did, where it is not called action, event or behavior.
    #[arg(long, value_name = "NAME")]
    pub action_column: Option<String>,
    /// Column of the weight, where it is not called weight or rating.
    #[arg(long, value_name = "NAME")]
    pub weight_column: Option<String>,
    /// What stands between two columns, where it is not recognised: , ; | :: tab or space.
    #[arg(long, value_name = "SIGN")]
    pub delimiter: Option<Delimiter>,
    /// The first line is an event already; columns are named by their numbers.
    #[arg(long)]
    pub no_header: bool,
    /// Pattern of the times, such as "%d.%m.%Y %H:%M", or yyyymmdd, or rfc3339; by default what nearly
    /// all of them are.
    #[arg(long, value_name = "PATTERN", conflicts_with = "time_unit")]
    pub time_format: Option<String>,
    /// What the numbers of the time count since 1970: s, ms, us or ns; by default the unit in which
    /// nearly all of them lie between 1990 and 2200.
    #[arg(long, value_name = "UNIT")]
    pub time_unit: Option<String>,
    /// What stands between two categories of an item, where it is not recognised.
    #[arg(long, value_name = "SIGN")]
    pub category_separator: Option<String>,
}

/// Says how a data set was understood, and what of it is no event.
pub fn tell(summary: &Summary) {
    summary.to_string().lines().for_each(|line| eprintln!("{line}"));
}

/// The same, and refuses a data set of which too few rows are events, before anything is made of it.
pub fn accept(summary: Option<&Summary>, Least { min_applied }: Least) -> Result<(), Failure> {
    let Some(summary) = summary else { return Ok(()) };
    if summary.rows > 0 && (summary.events as f64) < summary.rows as f64 * min_applied {
        return Err(Failure::user(format!(
            "{}: only {}, less than --min-applied {min_applied} asks for; mend the rows, or say with options what the columns are",
            summary.files.join(", "),
            summary.counts()
        )));
    }
    tell(summary);
    Ok(())
}

/// Says where no event has an action that a job with these positive actions learns from.
pub fn tell_of_actions(summary: Option<&Summary>, positive_actions: &[String]) {
    let Some(summary) = summary.filter(|summary| summary.lacks_actions(positive_actions)) else { return };
    let mut actions: Vec<(&String, &u64)> = summary.actions.iter().collect();
    actions.sort_by_key(|(_, events)| std::cmp::Reverse(**events));
    let counted = actions.iter().take(MOST_ACTIONS).map(|(action, events)| format!("{events} {action}"));
    let counted: Vec<String> = counted.collect();
    let example = actions.first().map_or("", |(action, _)| action);
    eprintln!(
        "warning: no event has one of pipeline.positive_actions, so a job learns from none of them; there are {}; \
         say to the job which count, such as --set 'pipeline.positive_actions=[{example:?}]'",
        counted.join(", ")
    );
}

/// Says where events were taken and not one of them counts for a job with these positive actions, unless
/// [`tell_of_actions`] has said so of the data set.
pub fn tell_of_choices(events: u64, choices: u64, summary: Option<&Summary>, positive_actions: &[String]) {
    let was_told = summary.is_some_and(|summary| summary.lacks_actions(positive_actions));
    if events == 0 || choices > 0 || was_told {
        return;
    }
    eprintln!(
        "warning: none of {events} events counts: each has an action that is not one of pipeline.positive_actions, or a \
         weight below 0, so there are no features of them, and a job learns from none; say to the job which actions \
         count, such as --set 'pipeline.positive_actions=[\"click\"]', and name another column of the weight with \
         --weight-column where that one is none"
    );
}

impl ReadingArgs {
    /// What is said here, over what the settings say.
    pub fn over(&self, options: &Options) -> Options {
        let over = |given: &Option<String>, set: &Option<String>| given.clone().or_else(|| set.clone());
        Options {
            user_column: over(&self.user_column, &options.user_column),
            item_column: over(&self.item_column, &options.item_column),
            time_column: over(&self.time_column, &options.time_column),
            category_columns: match &self.category_columns[..] {
                [] => options.category_columns.clone(),
                given => given.to_vec(),
            },
            action_column: over(&self.action_column, &options.action_column),
            weight_column: over(&self.weight_column, &options.weight_column),
            delimiter: self.delimiter.or(options.delimiter),
            no_header: self.no_header || options.no_header,
            // One says what the other says.
            time_format: match &self.time_unit {
                Some(_) => None,
                None => over(&self.time_format, &options.time_format),
            },
            time_unit: match &self.time_format {
                Some(_) => None,
                None => over(&self.time_unit, &options.time_unit),
            },
            category_separator: over(&self.category_separator, &options.category_separator),
        }
    }

    /// The options alone.
    pub fn options(&self) -> Options {
        self.over(&Options::default())
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.format.is_none() && self.options().is_empty()
    }
}
