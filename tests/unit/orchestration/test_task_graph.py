"""Which tasks an integration becomes, and what each waits for."""

from dragoman.core.flow import DeliverySpec, Flow, LookupSpec, Policy, SourceSpec, StreamSpec, TranslationSpec
from dragoman.core.task_graph import tasks_of


def source(name, *streams):
    specs = tuple(StreamSpec(node=f"{name}.{stream}", name=stream) for stream in streams) or (StreamSpec(node=name),)
    return SourceSpec(name=name, connector="files", connection=f"{name}_conn", streams=specs)


def delivery(node, taken, **given):
    return DeliverySpec(node=node, input=taken, connector="postgres", connection="erp", **given)


def flow(sources, translations, deliveries, **policy):
    return Flow(
        integration="f",
        sources=tuple(sources),
        translations=tuple(translations),
        deliveries=tuple(deliveries),
        policy=Policy(**policy),
    )


def edges(one):
    return {plan.task_id: set(plan.upstream) for plan in tasks_of(one)}


def test_one_of_each_has_the_four_words_less_what_is_no_task():
    short = flow(
        [source("source")],
        [TranslationSpec(node="translate", inputs=("source",))],
        [delivery("deliver", "translate")],
    )
    assert edges(short) == {"extract": set(), "deliver": {"extract"}, "reconcile": {"deliver"}}
    assert [plan.connection for plan in tasks_of(short)] == ["source_conn", "erp", ""]


def test_a_whole_set_translation_is_a_task():
    one = flow(
        [source("source")],
        [TranslationSpec(node="translate", inputs=("source",), sql="x.sql")],
        [delivery("deliver", "translate")],
    )
    assert edges(one) == {
        "extract": set(),
        "translate": {"extract"},
        "deliver": {"translate"},
        "reconcile": {"deliver"},
    }


def test_a_graph_waits_for_inputs_and_lookups():
    lookup = LookupSpec(name="customer", source="customers", on={"id": "customer_id"})
    one = flow(
        [source("orders"), source("customers"), source("notes")],
        [
            TranslationSpec(node="lines", inputs=("orders",), lookups=(lookup,)),
            TranslationSpec(node="joined", inputs=("lines", "customers"), sql="j.sql"),
        ],
        [delivery("eu", "lines"), delivery("all", "joined")],
    )
    assert edges(one) == {
        "extract_orders": set(),
        "extract_customers": set(),
        "extract_notes": set(),
        "translate": {"extract_orders", "extract_customers"},
        "deliver_eu": {"extract_orders", "extract_customers"},
        "deliver_all": {"translate"},
        "reconcile": {"extract_notes", "deliver_eu", "deliver_all"},
    }


def test_streams_share_their_extract_and_deliver_apart():
    one = flow(
        [source("source", "accounts", "contacts")],
        [TranslationSpec(node=f"translate.{name}", inputs=(f"source.{name}",)) for name in ("accounts", "contacts")],
        [delivery(f"deliver.{name}", f"translate.{name}") for name in ("accounts", "contacts")],
    )
    assert edges(one) == {
        "extract": set(),
        "deliver_accounts": {"extract"},
        "deliver_contacts": {"extract"},
        "reconcile": {"deliver_accounts", "deliver_contacts"},
    }


def test_single_is_one_task():
    one = flow(
        [source("source")],
        [TranslationSpec(node="translate", inputs=("source",))],
        [delivery("deliver", "translate")],
        tasks="single",
    )
    assert edges(one) == {"run": set()}
