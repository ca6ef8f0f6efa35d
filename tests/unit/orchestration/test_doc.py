"""The page of an integration in Airflow."""

from dragoman.core.flow import DeliverySpec, Flow, SourceSpec, StreamSpec, TranslationSpec
from dragoman.orchestration.doc import doc_of


def flow(text):
    return Flow(
        integration="orders",
        title="Orders",
        text=text,
        sources=(SourceSpec(name="source", connector="files", connection="inbox", streams=(StreamSpec(node="s"),)),),
        translations=(TranslationSpec(node="translate", inputs=("s",)),),
        deliveries=(
            DeliverySpec(
                node="deliver",
                input="translate",
                connector="postgres",
                connection="erp",
                options={"table": "public.orders"},
                mode="upsert",
                key=("id",),
            ),
        ),
    )


def test_it_says_what_the_integration_does_and_holds_the_yaml_whole():
    text = "integration: orders\n" + "# " + "x" * 5000 + "\nend: true\n"
    page = doc_of(flow(text), stale=False)
    assert page.startswith("### Orders\n")
    assert "- reads files (inbox)" in page
    assert "- delivers to postgres (erp) public.orders (upsert by id)" in page
    assert text in page
    assert "Stale" not in page


def test_backticks_in_the_yaml_do_not_end_the_block():
    page = doc_of(flow("title: |\n  ```\n  ````\n"), stale=True)
    assert "\n`````yaml\n" in page
    assert page.rstrip().endswith("\n`````")
    assert "Stale" in page
