"""Where settings come from, and what a connection string may look like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from catalog.errors import SettingsError
from catalog.settings import DatabaseUrl, Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping


NEON_POOLED = "ep-cool-rain-123456-pooler.eu-central-1.aws.neon.tech"
NEON_DIRECT = "ep-cool-rain-123456.eu-central-1.aws.neon.tech"
NEON_OPTIONS = "sslmode=require&channel_binding=require"


class Sources:
    """An environment, a `.env` and a command line to load settings from."""

    def __init__(self, folder: Path) -> None:
        self.dotenv = folder / ".env"

    def load(
        self,
        environ: Mapping[str, str] | None = None,
        dotenv: str | None = None,
        **options: str | None,
    ) -> Settings:
        if dotenv is not None:
            self.dotenv.write_text(dotenv, encoding="utf-8")
        return load_settings(environ=environ or {}, dotenv_path=self.dotenv, **options)

    def url(self, text: str) -> DatabaseUrl:
        database = self.load({"DATABASE_URL": text}).database
        assert database
        return database

    def for_migrations(self, url: str, unpooled: str | None = None) -> DatabaseUrl:
        environ = {"DATABASE_URL": url}
        if unpooled is not None:
            environ["DATABASE_URL_UNPOOLED"] = unpooled
        database = self.load(environ).migrations_database()
        assert database
        return database


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path)


# --- Which source counts


def test_without_any_variable_the_embedded_server_is_meant(sources: Sources) -> None:
    settings = sources.load()

    assert settings.database is None
    assert settings.migrations_database() is None


def test_the_environment_goes_before_dotenv(sources: Sources) -> None:
    settings = sources.load(
        {"DATABASE_URL": "postgresql://environment/db"}, "DATABASE_URL=postgresql://file/db"
    )

    assert settings.database == DatabaseUrl(
        "postgresql://environment/db", "DATABASE_URL in the environment"
    )


def test_dotenv_counts_where_the_environment_is_silent(sources: Sources) -> None:
    settings = sources.load({}, "DATABASE_URL=postgresql://file/db")

    assert settings.database == DatabaseUrl("postgresql://file/db", "DATABASE_URL in .env")


def test_the_command_line_overrules_both_and_their_unpooled_variables(sources: Sources) -> None:
    settings = sources.load(
        {
            "DATABASE_URL": "postgresql://environment/db",
            "DATABASE_URL_UNPOOLED": "postgresql://unpooled/db",
        },
        "DATABASE_URL=postgresql://file/db",
        database_url="postgresql://given/db",
    )

    assert settings.database == DatabaseUrl("postgresql://given/db", "--database-url")
    assert settings.migrations_database() == settings.database


def test_an_unpooled_variable_of_another_source_is_passed_over(sources: Sources) -> None:
    settings = sources.load(
        {"DATABASE_URL": "postgresql://environment/db"},
        "DATABASE_URL=postgresql://file/db\nDATABASE_URL_UNPOOLED=postgresql://direct/db",
    )

    assert settings.migrations_database() == settings.database


def test_an_unpooled_variable_in_the_environment_does_not_mix_into_dotenv(
    sources: Sources,
) -> None:
    settings = sources.load(
        {"DATABASE_URL_UNPOOLED": "postgresql://direct/db"}, "DATABASE_URL=postgresql://file/db"
    )

    assert settings.unpooled is None


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_means_none_and_hides_dotenv(sources: Sources, empty: str) -> None:
    settings = sources.load({"DATABASE_URL": empty}, "DATABASE_URL=postgresql://file/db")

    assert settings.database is None


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_an_unpooled_variable_alone_is_an_error(sources: Sources, where: str) -> None:
    name, url = "DATABASE_URL_UNPOOLED", "postgresql://direct/db"
    environ, dotenv = ({name: url}, None) if where == "environment" else ({}, f"{name}={url}")

    with pytest.raises(SettingsError, match="DATABASE_URL is not"):
        sources.load(environ, dotenv)


def test_an_empty_database_url_with_an_unpooled_one_beside_it_is_not_used(
    sources: Sources,
) -> None:
    settings = sources.load({"DATABASE_URL": "", "DATABASE_URL_UNPOOLED": "postgresql://direct/db"})

    assert settings.migrations_database() is None


@pytest.mark.parametrize(
    "line",
    [
        "DATABASE_URL=postgresql://u:pa$s${HOME}@h/db",
        'DATABASE_URL="postgresql://u:pa$s${HOME}@h/db"',
        "DATABASE_URL='postgresql://u:pa$s${HOME}@h/db'",
        "export DATABASE_URL=postgresql://u:pa$s${HOME}@h/db  # a comment",
        "PORT=1\r\nDATABASE_URL=postgresql://u:pa$s${HOME}@h/db\r\n",
    ],
)
def test_a_dollar_in_dotenv_means_itself(sources: Sources, line: str) -> None:
    database = sources.load({"HOME": "/wrong"}, line).database

    assert database
    assert database.parameters["password"] == "pa$s${HOME}"


def test_a_dotenv_that_is_not_utf8_is_one_clear_error(sources: Sources) -> None:
    sources.dotenv.write_bytes(b"DATABASE_URL=postgresql://\xff/db")

    with pytest.raises(SettingsError, match=r"\.env cannot be read: it is not UTF-8"):
        sources.load()


def test_a_dotenv_that_is_a_folder_is_not_a_traceback(sources: Sources) -> None:
    sources.dotenv.mkdir()

    try:
        assert sources.load().database is None
    except SettingsError as exc:
        assert "cannot be read" in str(exc)  # noqa: PT017


# --- Host and port


def test_the_port_and_host_have_defaults(sources: Sources) -> None:
    assert (sources.load().host, sources.load().port) == ("127.0.0.1", 3000)


def test_port_and_host_come_from_the_environment_then_dotenv(sources: Sources) -> None:
    settings = sources.load({"PORT": "4000"}, "PORT=5000\nCATALOG_HOST=0.0.0.0")

    assert (settings.host, settings.port) == ("0.0.0.0", 4000)  # noqa: S104


def test_the_command_lines_port_and_host_come_first(sources: Sources) -> None:
    settings = sources.load({"PORT": "4000", "CATALOG_HOST": "::"}, host="::1", port="0")

    assert (settings.host, settings.port) == ("::1", 0)


def test_the_shells_host_variable_is_not_ours(sources: Sources) -> None:
    assert sources.load({"HOST": "my-laptop"}).host == "127.0.0.1"


@pytest.mark.parametrize("port", ["abc", "-1", "65536", "3000.0", "3 000", "٣٠٠٠", "1e3", "0x10"])
def test_a_bad_port_is_one_clear_error_for_those_who_want_one(sources: Sources, port: str) -> None:
    settings = sources.load({"PORT": port})

    assert settings.database is None
    with pytest.raises(SettingsError, match=f'the port "{port}" is not one; give a number'):
        _ = settings.port


# --- What a connection string may be


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://owner:npg_aB3@{NEON_DIRECT}/neondb?{NEON_OPTIONS}",
        f"postgres://owner:npg_aB3@{NEON_POOLED}/neondb?{NEON_OPTIONS}",
        "postgresql://u:p%40ss%2Fw%23%25@h:5433/db",
        "postgresql://u:p#ss:word@h/db",
        "postgresql:///db?host=/var/run/postgresql",
        "postgresql://%2Fvar%2Frun%2Fpostgresql/db",
        "postgresql://u:p@one:5432,two:5433/db?target_session_attrs=read-write",
        "postgresql://u:p@one,two/db",
        "postgresql://u@[::1]:5432/db",
        "postgresql://u@h/db?options=-c%20search_path%3Dcatalog&application_name=x",
        "postgresql://u@h/db?sslmode=verify-full&sslrootcert=system",
        "postgresql://",
        "host=h port=5432 dbname=db user=u password='pa ss' sslmode=require",
        "host = /tmp dbname = 'a b'",
        "service=mine",
        "dbname=db hostaddr=127.0.0.1 keepalives_idle=30",
    ],
)
def test_everything_that_libpq_reads_is_taken_unmodified(sources: Sources, text: str) -> None:
    assert sources.url(text).conninfo == text


def test_blanks_around_a_connection_string_do_not_count(sources: Sources) -> None:
    assert sources.url("  postgresql://u@h/db\n").conninfo == "postgresql://u@h/db"


PASSWORD = "S3cr3t"

MALFORMED = [
    # Special characters of a password, not percent-encoded.
    "postgresql://u:{}@x@h/db",
    "postgresql://u:x@{}@h/db",
    "postgresql://u:x@{}:5432@h/db",
    "postgresql://u:x@y/{}@h/db",
    "postgresql://u:x@y:{}@h/db",
    "postgresql://u:{}/x@h/db",
    "postgresql://u:x/{}@h/db",
    "postgresql://u:12/{}@h/db",
    "postgresql://u:12/{}@h:5432/db?sslmode=require",
    "postgresql://u:{}%@h/db",
    "postgresql://u:%{}@h/db",
    "postgresql://u:{}%zz@h/db",
    "postgresql://u:x@{}%@h/db",
    "postgresql://u:x@[{}@h/db",
    "postgresql://u:x@[{}]y@h/db",
    "postgresql://u:x@y?{}@h/db",
    "postgresql://u:x/y?{}@h/db",
    "postgresql://u:12/x?{}",
    "postgresql://u:{} x@h/db",
    "postgresql:///{}@h",
    # Pasted with what stood around it.
    "psql postgresql://u:{}@h/db",
    "psql 'postgresql://u:{}@h/db'",
    "psql 'postgresql://u:{}@h/db?sslmode=require&channel_binding=require'",
    "'postgresql://u:{}@h/db'",
    '"postgresql://u:{}@h/db"',
    "<postgresql://u:{}@h/db>",
    "export DATABASE_URL postgresql://u:{}@h/db",
    # In another program's spelling.
    "postgresql+psycopg://u:{}@h/db",
    "POSTGRESQL://u:{}@h/db",
    "jdbc:postgresql://u:{}@h/db",
    "postgresql:u:{}@h/db",
    "postgresql:/u:{}@h/db",
    "mysql://u:{}@h/db",
    "//u:{}@h/db",
    "u:{}@h/db",
    "{}",
    # By keywords.
    "host=h dbname=db password={} x",
    "host=h dbname=db password='{}",
    "host=h dbname=db password='{}'x'",
    "host=h dbname=db password= {} word",
    "host=h dbname=db {}",
    "host=h,dbname=db password={} ;",
    "Server=h;Database=db;Password={}",
    # Places that are none.
    "postgresql://u:{}@h:port/db",
    "postgresql://u:{}@h:54 32/db",
    "postgresql://u:{}@[::1/db",
    "postgresql://u:{}@[::1]x/db",
    "postgresql://u:{}@h/db?sslmode",
    "postgresql://u:{}@h/db?sslmode=require=x",
    "postgresql://u:{}@h/db?unknown=1",
    "postgresql://u:{}@h/db?schema=public",
    "host=h unknown=1 password={}",
]


@pytest.mark.parametrize("shape", MALFORMED)
def test_a_malformed_connection_string_never_shows_its_password(
    sources: Sources, shape: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        sources.url(shape.format(PASSWORD))

    said = str(refused.value)
    assert PASSWORD not in said
    assert said.startswith("DATABASE_URL in the environment")
    assert "\n" not in said
    # Nor do the errors below it, should anything ever print them.
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "name"),
    [("postgresql://u:p@h/db?sslmod=require", "sslmod"), ("host=h dbnam=db", "dbnam")],
)
def test_a_misspelt_parameter_is_an_error_of_the_string(
    sources: Sources, text: str, name: str
) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL in the environment"):
        sources.url(text)


def test_the_place_names_database_and_host_without_user_or_password(sources: Sources) -> None:
    url = sources.url("postgresql://owner:S3cr3t@h.example:5433/db")

    assert url.place == 'database "db" on h.example'


def test_the_database_is_called_like_the_user_where_the_string_has_none(sources: Sources) -> None:
    assert sources.url("postgresql://owner@h").dbname == "owner"


# --- Where migrations run


def test_neons_pooler_is_replaced_by_the_direct_host(sources: Sources) -> None:
    url = sources.for_migrations(f"postgresql://o:p%40@{NEON_POOLED}/db?{NEON_OPTIONS}")

    assert url.parameters == {
        "host": NEON_DIRECT,
        "user": "o",
        "password": "p@",
        "dbname": "db",
        "sslmode": "require",
        "channel_binding": "require",
    }
    assert url.pooled_host == NEON_POOLED


def test_neons_pooler_is_known_in_a_keyword_string_too(sources: Sources) -> None:
    url = sources.for_migrations(f"host={NEON_POOLED} dbname=db password='a b'")

    assert (url.parameters["host"], url.parameters["password"]) == (NEON_DIRECT, "a b")


@pytest.mark.parametrize(
    "host",
    [
        NEON_DIRECT,
        "ep-x-pooler.example.com",
        "ep-x-pooler.neon.tech.example.com",
        "ep-x-pooler.notneon.tech",
        "ep-x.pooler.neon.tech",
        "ep-pooler-x.neon.tech",
        "db-pooler",
        "aws-0-eu-central-1.pooler.supabase.com",
        "localhost",
    ],
)
def test_any_other_host_stays_as_it_is(sources: Sources, host: str) -> None:
    text = f"postgresql://u:p@{host}/db?sslmode=require"

    assert sources.for_migrations(text) == DatabaseUrl(text, "DATABASE_URL in the environment")


@pytest.mark.parametrize(
    ("pooled", "direct"),
    [
        ("ep-x-pooler.neon.tech", "ep-x.neon.tech"),
        ("EP-X-pooler.Eu.NEON.tech", "EP-X.Eu.NEON.tech"),
        ("ep-x-pooler.eu.neon.tech.", "ep-x.eu.neon.tech."),
        ("ep-x-pooler.neon.tech,ep-y-pooler.neon.tech", "ep-x.neon.tech,ep-y.neon.tech"),
        ("db-pooler,ep-y-pooler.neon.tech", "db-pooler,ep-y.neon.tech"),
    ],
)
def test_neons_name_is_known_however_it_is_written(
    sources: Sources, pooled: str, direct: str
) -> None:
    url = sources.for_migrations(f"postgresql://{pooled}/db")

    assert (url.parameters["host"], url.pooled_host) == (direct, pooled)


def test_serving_keeps_the_pooler(sources: Sources) -> None:
    assert sources.url(f"postgresql://{NEON_POOLED}/db").parameters["host"] == NEON_POOLED


def test_the_unpooled_variable_is_for_migrations(sources: Sources) -> None:
    url = sources.for_migrations(
        f"postgresql://{NEON_POOLED}/db?{NEON_OPTIONS}",
        f"postgresql://{NEON_DIRECT}/db?{NEON_OPTIONS}",
    )

    assert url == DatabaseUrl(
        f"postgresql://{NEON_DIRECT}/db?{NEON_OPTIONS}",
        "DATABASE_URL_UNPOOLED in the environment",
    )


def test_an_unpooled_variable_that_names_a_pooler_is_corrected(sources: Sources) -> None:
    pooled = f"postgresql://{NEON_POOLED}/db"

    assert sources.for_migrations(pooled, pooled).parameters["host"] == NEON_DIRECT


def test_both_variables_are_taken_from_dotenv_together(sources: Sources) -> None:
    settings = sources.load(
        {}, "DATABASE_URL=postgresql://pool/db\nDATABASE_URL_UNPOOLED=postgresql://direct/db"
    )

    assert settings.migrations_database() == DatabaseUrl(
        "postgresql://direct/db", "DATABASE_URL_UNPOOLED in .env"
    )


def test_an_empty_unpooled_variable_means_none(sources: Sources) -> None:
    assert sources.for_migrations("postgresql://h/db", "").conninfo == "postgresql://h/db"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgresql://pool.example/db", "postgresql://direct.example/db"),
        ("postgresql://pool.example:6432/db", "host=direct.example dbname=db"),
        (f"postgresql://{NEON_POOLED}/db", f"postgresql://{NEON_DIRECT.upper()}/db"),
        (f"postgresql://{NEON_POOLED}/db", "postgresql://10.0.0.1/db"),
        ("postgresql://owner@pool.example", "postgresql://x@direct.example/owner"),
    ],
)
def test_two_names_of_one_database_are_taken(sources: Sources, one: str, other: str) -> None:
    assert sources.for_migrations(one, other).conninfo == other


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgresql://u:S3cr3t@h/db", "postgresql://u:S3cr3t@h/other"),
        (f"postgresql://{NEON_POOLED}/db", "postgresql://ep-other-1.eu.neon.tech/db"),
        (f"postgresql://{NEON_DIRECT}/db", "postgresql://ep-other-1-pooler.eu.neon.tech/db"),
        (f"postgresql://u:S3cr3t@{NEON_DIRECT}/db", f"host={NEON_DIRECT} dbname=other"),
    ],
)
def test_two_variables_that_name_different_databases_are_an_error(
    sources: Sources, one: str, other: str
) -> None:
    with pytest.raises(SettingsError, match="name different databases") as refused:
        sources.for_migrations(one, other)

    assert "DATABASE_URL in the environment" in str(refused.value)
    assert "DATABASE_URL_UNPOOLED in the environment" in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_different_databases_do_not_keep_anybody_from_serving(sources: Sources) -> None:
    environ = {"DATABASE_URL": "postgresql://h/db", "DATABASE_URL_UNPOOLED": "postgresql://h/other"}

    assert sources.load(environ).database == DatabaseUrl(
        "postgresql://h/db", "DATABASE_URL in the environment"
    )


@pytest.mark.parametrize(
    "shape",
    [
        "'postgresql://u:{}@h/db?sslmode=require'",
        '"postgresql://u:{}@h/db?sslmode=require"',
        "postgresql+psycopg://u:{}@h/db?sslmode=require",
        "POSTGRESQL://u:{}@h/db?sslmode=require",
        "jdbc:postgresql://u:{}@h/db?sslmode=require",
        "u:{}@h/db?sslmode=require",
        "host=h password=x {}=1",
        "postgresql://u:x@y?{}=1@h/db",
        "postgresql://u:12/x?{}=1@h/db",
    ],
)
def test_what_libpq_takes_for_a_parameter_may_be_the_password(shape: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(database_url=shape.format("S3cr3t"), environ={}, dotenv_path=Path("/nowhere"))

    assert "S3cr3t" not in str(caught.value)


def test_a_misspelt_parameter_is_told_from_the_one_that_is_meant() -> None:
    with pytest.raises(SettingsError, match="sslmode may be meant"):
        load_settings(
            database_url="postgresql://h/db?sslmod=require",
            environ={},
            dotenv_path=Path("/nowhere"),
        )


def test_an_empty_option_is_no_database() -> None:
    with pytest.raises(SettingsError, match="--database-url is empty"):
        load_settings(database_url=" ", environ={}, dotenv_path=Path("/nowhere"))


# --- How long a request waits


@pytest.mark.parametrize(("text", "seconds"), [("", 5), ("2", 2), ("0.5", 0.5), (" 30 ", 30)])
def test_a_request_waits_for_five_seconds_or_as_long_as_it_is_told(
    sources: Sources, text: str, seconds: float
) -> None:
    assert sources.load({"REQUEST_TIMEOUT": text}).request_timeout == seconds


@pytest.mark.parametrize("text", ["abc", "-1", "0", "0.01", "3601", "5s", "1e3", "nan", "inf", "٣"])
def test_a_bad_time_to_wait_is_one_clear_error(sources: Sources, text: str) -> None:
    settings = sources.load({"REQUEST_TIMEOUT": text})

    with pytest.raises(SettingsError, match=f'REQUEST_TIMEOUT is "{text}".*give one from 0.1'):
        _ = settings.request_timeout
