//! Tables and columns, as the catalogue of either engine has them.

use super::connection::{Connection, Engine};
use super::problem::Problem;

/// What a column has, as far as it decides how a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Integer,
    Float,
    Json,
    /// A UUID where the engine has no type for it.
    HexUuid,
    /// A time with its offset.
    Instant,
    /// A text, or what is read as one; also a time without an offset.
    Text,
}

#[derive(Clone)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    /// The type as the catalogue has it, in lower case.
    declared: String,
    pub is_key: bool,
    pub is_unique: bool,
    pub is_readable: bool,
    pub is_nullable: bool,
    /// Whether a new row gets a value of the database, also a generated one.
    pub has_default: bool,
    /// Whether it has the key of a row of another table.
    pub is_reference: bool,
}

impl Column {
    /// Whether it has a time with a day.
    pub fn is_time(&self) -> bool {
        self.declared == "datetime" || self.declared.starts_with("timestamp")
    }

    pub fn is_uuid(&self) -> bool {
        ["uuid", "char(32)"].contains(&self.declared.as_str())
    }

    /// Whether any text fits, as far as it is not too long.
    pub fn is_plain_text(&self) -> bool {
        let texts = ["text", "varchar", "character varying", "citext"];
        texts.iter().any(|text| self.declared.starts_with(text))
    }

    /// How many characters fit, such as 150 in `varchar(150)`; `None` if any number does.
    pub fn length(&self) -> Option<usize> {
        let (_, length) = self.declared.strip_suffix(')')?.split_once('(')?;
        length.parse().ok().filter(|_| self.is_plain_text())
    }
}

#[derive(Clone)]
pub struct Table {
    pub name: String,
    columns: Vec<Column>,
    engine: Engine,
}

impl Table {
    /// The table or view of this name, if there is one.
    pub async fn load(connection: &mut Connection, name: &str) -> Result<Option<Table>, Problem> {
        let engine = connection.engine();
        let rows = match engine {
            Engine::Sqlite => connection.rows(columns_on_sqlite(name)).await?,
            Engine::Postgres => connection.rows(columns_on_postgres(name)).await?,
        };
        let columns: Vec<Column> = rows
            .into_iter()
            .map(|mut row| {
                let (name, declared) = (row.take(), row.take().unwrap_or_default());
                let mut flag = || row.take().as_deref() == Some("1");
                Column {
                    name: name.unwrap_or_default(),
                    kind: kind(engine, &declared),
                    declared,
                    is_key: flag(),
                    is_unique: flag(),
                    is_readable: flag(),
                    is_nullable: flag(),
                    has_default: flag(),
                    is_reference: flag(),
                }
            })
            .collect();
        Ok((!columns.is_empty()).then(|| Table { name: name.to_owned(), columns, engine }))
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.column(name).is_some()
    }

    /// The only column of the primary key.
    pub fn key(&self) -> Option<&Column> {
        let mut keys = self.columns.iter().filter(|column| column.is_key);
        keys.next().filter(|_| keys.next().is_none())
    }

    /// The first of these columns that there is.
    pub fn first_of(&self, names: &[&str]) -> Option<String> {
        names.iter().find(|name| self.has(name)).map(|name| (*name).to_owned())
    }

    /// Refuses a column that the user of the database may not read.
    pub fn check_right(&self, name: &str) -> Result<(), Problem> {
        match self.column(name).is_none_or(|column| column.is_readable) {
            true => Ok(()),
            false => Err(Problem::NoRight { table: self.name.clone(), column: name.to_owned() }),
        }
    }

    /// The column as a text, of the table under this other name; times with an offset in whole
    /// seconds since 1970. `null` if there is no such column.
    pub fn text(&self, alias: &str, name: &str) -> String {
        let place = place(alias, name);
        match (self.column(name).map(|column| column.kind), self.engine) {
            (None, _) => "cast(null as text)".to_owned(),
            (Some(Kind::Instant), Engine::Postgres) => {
                format!("cast(cast(floor(extract(epoch from {place})) as bigint) as text)")
            }
            // The cast alone keeps the mark of a JSON value that a view has made, which would not be
            // read as a text.
            (Some(_), Engine::Sqlite) => format!("cast({place} as text) || ''"),
            (Some(_), Engine::Postgres) => format!("cast({place} as text)"),
        }
    }
}

/// A column of a table that has this other name.
pub fn place(alias: &str, column: &str) -> String {
    format!("{alias}.{}", quoted(column))
}

/// A name in a statement.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in a statement.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn columns_on_sqlite(table: &str) -> String {
    let table = literal(table);
    format!(
        r#"select c.name, lower(c.type), cast(c.pk > 0 as text),
                  cast(exists (select 1 from pragma_index_list({table}) as l
                               where l."unique" = 1 and l.partial = 0
                                 and (select count(*) from pragma_index_info(l.name)) = 1
                                 and (select i.name from pragma_index_info(l.name) as i) = c.name)
                       as text),
                  '1', cast(c."notnull" = 0 as text), cast(c.dflt_value is not null as text),
                  cast(exists (select 1 from pragma_foreign_key_list({table}) as f
                               where f."from" = c.name) as text)
           from pragma_table_info({table}) as c order by c.cid"#
    )
}

fn columns_on_postgres(table: &str) -> String {
    let table = literal(&quoted(table));
    format!(
        "select cast(a.attname as text), format_type(a.atttypid, a.atttypmod),
                case when exists (select 1 from pg_index k where k.indrelid = a.attrelid
                                  and k.indisprimary and a.attnum = any (k.indkey))
                     then '1' else '0' end,
                case when exists (select 1 from pg_index k where k.indrelid = a.attrelid
                                  and k.indisunique and k.indpred is null and k.indnatts = 1
                                  and k.indkey[0] = a.attnum)
                     then '1' else '0' end,
                case when has_column_privilege(a.attrelid, a.attnum, 'select')
                     then '1' else '0' end,
                case when a.attnotnull then '0' else '1' end,
                case when a.atthasdef then '1' else '0' end,
                case when exists (select 1 from pg_constraint f where f.conrelid = a.attrelid
                                  and f.contype = 'f' and a.attnum = any (f.conkey))
                     then '1' else '0' end
         from pg_attribute a
         where a.attrelid = to_regclass({table}) and a.attnum > 0 and not a.attisdropped
         order by a.attnum"
    )
}

/// The tables that a column of another table refers to.
pub async fn referred_by(
    connection: &mut Connection,
    table: &str,
    column: &str,
) -> Result<Vec<String>, Problem> {
    let column = literal(column);
    let sql = match connection.engine() {
        Engine::Sqlite => format!(
            r#"select distinct f."table" from pragma_foreign_key_list({}) as f
               where f."from" = {column}"#,
            literal(table)
        ),
        Engine::Postgres => format!(
            "select distinct cast(t.relname as text)
             from pg_constraint f join pg_class t on t.oid = f.confrelid
             join pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[1]
             where f.contype = 'f' and f.conrelid = to_regclass({}) and a.attname = {column}",
            literal(&quoted(table))
        ),
    };
    connection.texts(sql).await
}

/// The tables with the columns that Django's base of user models has.
pub async fn user_like_tables(connection: &mut Connection) -> Result<Vec<String>, Problem> {
    let sql = match connection.engine() {
        Engine::Sqlite => {
            "select m.name from sqlite_master as m where m.type = 'table'
             and (select count(*) from pragma_table_info(m.name) as c
                  where c.name in ('password', 'last_login')) = 2
             order by m.name"
        }
        Engine::Postgres => {
            "select cast(t.relname as text) from pg_class t
             where t.relkind in ('r', 'p') and pg_table_is_visible(t.oid)
             and (select count(*) from pg_attribute a where a.attrelid = t.oid
                  and not a.attisdropped and a.attname in ('password', 'last_login')) = 2
             order by t.relname"
        }
    };
    connection.texts(sql.to_owned()).await
}

fn kind(engine: Engine, declared: &str) -> Kind {
    match engine {
        Engine::Sqlite => match declared {
            "bool" | "boolean" => Kind::Boolean,
            "char(32)" => Kind::HexUuid,
            "real" | "float" | "double precision" => Kind::Float,
            "datetime" => Kind::Instant,
            other if other.contains("int") => Kind::Integer,
            _ => Kind::Text,
        },
        Engine::Postgres => match declared {
            "boolean" => Kind::Boolean,
            "smallint" | "integer" | "bigint" => Kind::Integer,
            "real" | "double precision" => Kind::Float,
            "json" | "jsonb" => Kind::Json,
            other if other.starts_with("timestamp") && other.ends_with("with time zone") => {
                Kind::Instant
            }
            _ => Kind::Text,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_is_that_of_the_declared_type() {
        for (engine, declared, expected) in [
            (Engine::Sqlite, "bool", Kind::Boolean),
            (Engine::Sqlite, "integer unsigned", Kind::Integer),
            (Engine::Sqlite, "char(32)", Kind::HexUuid),
            (Engine::Sqlite, "varchar(32)", Kind::Text),
            (Engine::Postgres, "timestamp with time zone", Kind::Instant),
            (Engine::Postgres, "timestamp(3) with time zone", Kind::Instant),
            (Engine::Postgres, "timestamp without time zone", Kind::Text),
            (Engine::Postgres, "interval", Kind::Text),
            (Engine::Postgres, "character(32)", Kind::Text),
        ] {
            assert_eq!(kind(engine, declared), expected, "{declared}");
        }
    }

    #[test]
    fn name_ends_no_quotation() {
        assert_eq!(quoted(r#"a"b"#), r#""a""b""#);
        assert_eq!(literal("a'b"), "'a''b'");
    }
}
