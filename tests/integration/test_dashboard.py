"""`braket-etl dashboard` over HTTP: who is let in, what it opens, and what it says of what it cannot show."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

import duckdb
import pytest
from markupsafe import escape

from braket_etl.report.sections import questions
from braket_etl.warehouse.queries import assignments
from braket_etl.warehouse.secret_files import kept_secret
from braket_etl.warehouse.settled import unsettle
from tests.conftest import Program, name_creators
from tests.dashboards import Served, dashboard

ANN, HOSTILE = "ann@example.org", """o'hara, "><img src=x onerror=alert(1)>; DROP TABLE jobs; --"""
NOTHING_ELSE = "default-src 'none'"
#: One line of Prometheus' text format: a comment of a metric, or a sample.
METRIC = re.compile(r'# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+="([^"\\\n]|\\["\\n])*",?)+\})? [-+0-9.e]+')


@pytest.fixture(scope="module")
def home(pulled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A copy of the small account's published copy."""
    program = Program(tmp_path_factory.mktemp("dashboard") / "home")
    program.home.mkdir(mode=0o700)
    shutil.copyfile(pulled_home / "warehouse.duckdb", program.published)
    return program


@pytest.fixture(scope="module")
def served(home: Program) -> Iterator[Served]:
    with dashboard(home) as running:
        yield running


@pytest.fixture(scope="module")
def named(pulled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A copy in which two people created most tasks and jobs; one has a name that wants to be more than a name."""
    program = Program(tmp_path_factory.mktemp("named") / "home")
    program.home.mkdir(mode=0o700)
    shutil.copyfile(pulled_home / "warehouse.duckdb", program.published)
    with duckdb.connect(str(program.published)) as connection:
        unsettle(connection)
        name_creators(connection, ANN, HOSTILE)
    return program


@pytest.fixture(scope="module")
def with_names(named: Program) -> Iterator[Served]:
    with dashboard(named) as running:
        yield running


def test_nothing_is_shown_without_the_token(served: Served) -> None:
    for address in (served.host, f"{served.host}/metrics", served.base, f"{served.base}q/spent"):
        refused = served.get(address)
        assert refused.status == 403, address
        assert "Spending" not in refused.text
    for wrong in ("x", served.token[:-1], served.token + "x", "\u00e9"):
        assert served.get("", Authorization=f"Bearer {wrong}".encode().decode("latin-1")).status == 403
    assert served.get(f"?token={served.token[:-1]}").status == 403
    assert served.get("", Cookie=f"braket_etl={served.token}").status == 403


def test_a_browser_gets_a_cookie_and_an_address_without_the_token(served: Served) -> None:
    first = served.get(f"{served.address}&device=Garnet", Sec_Fetch_Mode="navigate")
    assert (first.status, first.headers["Location"]) == (303, f"{served.base}?device=Garnet")
    cookie = first.headers["Set-Cookie"]
    assert cookie.endswith("HttpOnly; SameSite=Strict")
    assert f"Path={served.base.removeprefix(served.host)};" in cookie
    assert served.token not in cookie
    assert served.get("?device=Garnet", Cookie=cookie.partition(";")[0]).status == 200


def test_the_printed_address_shows_the_page_and_the_host_alone_leads_to_it(served: Served) -> None:
    assert "Spending" in served.get(served.address).text
    assert (
        served.get(f"{served.host}/?token={served.token}")
        .headers["Location"]
        .startswith(served.base.removeprefix(served.host))
    )


def test_another_host_name_is_not_answered(served: Served) -> None:
    for name in ("braket.example.org", "127.0.0.1", "127.0.0.1:1", "localhost.example.org"):
        assert served.get(served.address, Host=name).status == 421, name
    port = served.host.rpartition(":")[2]
    assert served.get(served.address, Host=f"localhost:{port}").status == 200


def test_pages_are_read_and_their_headers_let_nothing_else_in(served: Served) -> None:
    assert {served.get(served.address, method=m).status for m in ("POST", "PUT", "DELETE", "OPTIONS")} == {
        405
    }
    for answer in (served.shown(), served.shown("q/spent"), served.get(""), served.shown("nowhere")):
        assert answer.headers["Content-Security-Policy"].startswith(NOTHING_ELSE)
        assert "script" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert "uvicorn" not in str(answer.headers)


def test_the_token_is_kept_for_its_user_alone(home: Program, served: Served) -> None:
    file = home.home / "dashboard-token"
    assert file.read_text("utf-8") == served.token
    assert len(served.token) >= 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("left", ["", "\n", "secret"])
def test_a_token_that_is_none_is_made_anew(tmp_path: Path, left: str) -> None:
    file = tmp_path / "dashboard-token"
    file.write_text(left)
    token = kept_secret(file)
    assert len(token) >= 40
    assert kept_secret(file) == token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_new_copy_is_shown_at_once_and_none_is_held_open(
    home: Program, served: Served, tmp_path: Path
) -> None:
    before = served.shown("q/task_outcomes").text
    changed = tmp_path / "changed.duckdb"
    shutil.copyfile(home.published, changed)
    with duckdb.connect(str(changed)) as connection:
        connection.execute("DELETE FROM quantum_tasks WHERE hash(quantum_task_arn) % 2 = 0")
        (left,) = connection.execute("SELECT count(*) FROM quantum_tasks").fetchall()[0]
    changed.replace(home.published)
    after = served.shown("q/task_outcomes").text
    assert before != after
    assert f"<dd>{left:,}</dd>" in after
    opened = {str(each.resolve()) for each in Path(f"/proc/{served.process.pid}/fd").iterdir()}
    assert not [name for name in opened if "duckdb" in name]


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("?first=yesterday", 400, "yesterday is no day, such as 2026-10-01"),
        ("?first=2026-11-12&last=2026-11-01", 400, "lies before"),
        ("?device=Garnett", 400, "did you mean Garnet?"),
        ("?region=us-east-9", 400, "did you mean us-east-1"),
        ("?account=111122223333", 400, "no account is called 111122223333"),
        ("?tag=team", 400, "is not of the form key=value"),
        ("?tag=taem%3Dchemistry", 400, "did you mean team"),
        ("q/spemt", 404, "did you mean @spent?"),
        ("q/spent?first=yesterday", 400, "yesterday"),
        ("q/spent?colour=red", 400, "there is no parameter colour"),
        ("q/spent?sort=nothing", 400, "nothing"),
        ("q/cost_by_month_and_device?sort=-x%22%3B%20DROP", 400, "there is no column x"),
        ("elsewhere", 404, "There is no such page."),
    ],
)
def test_what_cannot_be_shown_is_told(served: Served, address: str, status: int, told: str) -> None:
    answer = served.shown(address)
    problem = re.search(r'role="alert">([^<]*)<', answer.text)
    assert answer.status == status
    assert problem
    assert told in problem[1]


def test_each_question_has_a_page(served: Served) -> None:
    listed = re.findall(r'href="q/(\w+)"', served.shown("q").text)
    assert len(listed) == len(set(listed)) > 60
    for name in ("days_not_whole", "choices", "cost_by_task"):
        assert name in listed
        assert served.shown(f"q/{name}").status == 200


def test_a_question_is_limited_to_a_person_where_names_are_kept(
    named: Program, with_names: Served, served: Served
) -> None:
    for person in (ANN, HOSTILE):
        shown = with_names.shown(f"q/spent?{urlencode({'person': person})}")
        assert shown.status == 200
        assert f"<pre>{escape(assignments({'person': person})[0])};" in shown.text
        assert f'name="person" value="{escape(person)}"' in shown.text
        [spent] = json.loads(named.ok("sql", "@spent", "--param", f"person={person}", "--format", "json"))
        assert float(spent["cost_usd"]) > 0
        assert f'title="{spent["cost_usd"].rstrip("0")}"' in shown.text
        assert "<img" not in shown.text
    assert f'<option value="{escape(HOSTILE)}">' in with_names.shown("q/spent").text
    assert 'name="person"' not in served.shown("q/spent").text


def spent(served: Served, address: str) -> str:
    """What the page says was spent, with all its digits."""
    page = served.shown(address)
    assert page.status == 200, page.text
    block = page.text.partition('<article id="spent"')[2]
    found = re.search(r'<dd(?: title="([^"]+)")?>(?:<small>\$</small>)?([^<]+)</dd>', block)
    assert found
    return found[1] or found[2]


def test_the_page_of_a_person_has_the_number_of_the_terminal_and_not_that_of_another(
    named: Program, with_names: Served
) -> None:
    period = {"first": "2026-11-01", "last": "2026-11-20"}
    of_page = {}
    for person in (ANN, HOSTILE, ""):
        limits = period | ({"person": person} if person else {})
        of_page[person] = Decimal(spent(with_names, f"?{urlencode(limits)}"))
        given = [part for name, value in limits.items() for part in ("--param", f"{name}={value}")]
        [told] = json.loads(named.ok("sql", "@spent", *given, "--format", "json"))
        assert of_page[person] == Decimal(told["cost_usd"]) > 0
    assert of_page[ANN] != of_page[HOSTILE]
    assert of_page[ANN] + of_page[HOSTILE] < of_page[""]


def test_the_page_of_a_person_says_whose_it_is_and_what_is_not_theirs_alone(
    with_names: Served, served: Served
) -> None:
    text = with_names.shown(f"?{urlencode({'person': HOSTILE})}").text
    assert f'<li class="chip">person {escape(HOSTILE)} <a href="?"' in text
    assert f'name="person" value="{escape(HOSTILE)}"' in text
    assert f'href="q/spent?{escape(urlencode({"person": HOSTILE}))}"' in re.sub(
        r"(first|last)=[-0-9]+&amp;", "", text
    )
    assert "<img" not in text
    beyond = dict(re.findall(r'<article id="(\w+)"(?:(?!</article>)[\s\S])*?class="beyond">([^<]+)<', text))
    assert beyond["queue_wait_by_device"] == "Not limited to the period or the person."
    assert {name for name, said in beyond.items() if "the person" in said} == {
        query.name for query in questions() if not query.takes("person")
    }
    assert 'name="person"' not in served.shown("").text


def test_a_person_whom_no_record_names_is_refused_with_those_that_there_are(
    with_names: Served, served: Served
) -> None:
    def told(place: Served, *people: str) -> str:
        answer = place.shown(f"?{urlencode([('person', each) for each in people])}")
        assert answer.status == 400
        problem = re.search(r'role="alert">([^<]*)<', answer.text)
        assert problem
        return problem[1]

    assert "did you mean ann@example.org?" in told(with_names, "ann@example.com")
    assert told(with_names, "a--b").startswith("person a--b: ")
    assert f"there is {ANN}, " in told(with_names, "<script>zz") or f", {ANN}" in told(
        with_names, "<script>zz"
    )
    assert "choose one of them" in told(with_names, ANN, HOSTILE)
    assert "BRAKET_ETL_CREATED_BY is name or pseudonym" in told(served, ANN)


def test_a_report_is_limited_to_a_person(named: Program, tmp_path: Path) -> None:
    file = tmp_path / "r.html"
    named.ok("report", "--output", str(file), "--person", HOSTILE)
    text = file.read_text("utf-8")
    assert f'<span class="chip">person {escape(HOSTILE)}</span>' in text
    assert escape(f"{assignments({'person': HOSTILE})[0]};") in text
    assert "<img" not in text
    for nobody in ("", "ann"):
        refused = named.run("report", "--output", str(file), "--person", nobody)
        assert (refused.returncode, file.read_text("utf-8")) == (2, text)
        assert f"--person {nobody}: no task or job has it: " in refused.stderr
        assert ANN in refused.stderr


def test_rows_are_sorted_by_the_column_that_is_clicked(home: Program, served: Served) -> None:
    def costs(sort: str) -> list[str]:
        text = served.shown(f"q/cost_by_device{sort}").text
        return re.findall(r"<tr><td(?: class=\"long\")?>([^<]+)</td>", text)

    assert costs("?sort=device") == sorted(costs("")) == costs("?sort=-device")[::-1]
    text = served.shown("q/cost_by_device?sort=-n_tasks").text
    assert 'aria-sort="descending"><a href="?&amp;sort=n_tasks">' in text


def test_metrics_are_what_the_questions_answer(home: Program, served: Served) -> None:
    answer = served.get(f"{served.host}/metrics", Authorization=f"Bearer {served.token}")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    assert [line for line in lines if not METRIC.fullmatch(line)] == []
    samples = {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines if x[0] != "#")}
    assert len(samples) == sum(line[0] != "#" for line in lines)
    for device, kind, n in home.rows(
        "SELECT device_name, record_kind, count(DISTINCT record_arn) FROM charges WHERE cost_status = 'pending' GROUP BY ALL"
    ):
        assert samples[f'braket_etl_open_records{{device="{device}",kind="{kind}"}}'] == n
    (device, at_most) = home.rows(
        "SELECT device_name, quantile_disc(wait_seconds_at_most, 0.9) AS p90 FROM waits WHERE record_kind = 'task' "
        "AND is_counted GROUP BY 1 HAVING p90 < 'infinity'::DOUBLE ORDER BY ALL LIMIT 1"
    )[0]
    assert samples[f'braket_etl_queue_wait_at_most_seconds{{device="{device}",percentile="90"}}'] == at_most
    assert samples["braket_etl_published_timestamp_seconds"] == pytest.approx(home.published.stat().st_mtime)
    assert samples["braket_etl_rejected_records"] == 0
    spent = home.one(
        "SELECT coalesce(sum(cost_usd), 0) FROM daily_costs WHERE charge_date >= date_trunc('month', current_date)"
    )
    assert Decimal(str(samples["braket_etl_month_cost_dollars"])) == pytest.approx(spent)


def test_without_a_warehouse_it_says_so_and_it_ends_when_told(tmp_path: Path) -> None:
    with dashboard(Program(tmp_path / "empty")) as running:
        nothing = running.shown()
        assert (nothing.status, "there is no warehouse" in nothing.text) == (503, True)
        busy = Program(tmp_path / "other").run("dashboard", "--port", running.host.rpartition(":")[2])
        assert busy.returncode == 2
        assert "choose another one" in busy.stderr
    assert running.process.returncode == 143
