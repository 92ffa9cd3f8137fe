"""Models written in YAML: the steps they are read as, and what is wrong with them."""

from typing import Any

import pytest
import yaml

from labkeras.experiment.model.plan import Plan, check_model, names_in


def read(text: str) -> tuple[Plan | None, list[str]]:
    faults: list[str] = []
    return check_model(yaml.safe_load(text), faults), faults


def plan_of(text: str) -> Plan:
    plan, faults = read(text)
    assert faults == []
    assert plan is not None
    return plan


def faults_of(text: str) -> list[str]:
    return read(text)[1]


def takes(plan: Plan) -> dict[str, Any]:
    return {step.name: step.takes for step in plan.steps}


DENSE = "{layer: dense, units: 2}"


def test_a_sequential_model_is_a_chain() -> None:
    plan = plan_of(f"{{kind: sequential, input: {{shape: [4]}}, layers: {{a: {DENSE}, b: {DENSE}}}}}")
    assert takes(plan) == {"a": "input", "b": "a"}
    assert plan.inputs == {"input": {"shape": [4]}}
    assert plan.outputs == "b"


def test_a_sequential_model_needs_no_input() -> None:
    assert takes(plan_of(f"{{kind: sequential, layers: {{a: {DENSE}}}}}")) == {"a": "input"}


def test_a_node_takes_the_one_before_it_or_what_from_names() -> None:
    plan = plan_of(f"""
        kind: functional
        inputs: {{x: {{shape: [4]}}, y: {{shape: [4]}}}}
        nodes:
          a: {{layer: dense, units: 2, from: x}}
          b: {DENSE}
          c: {{layer: dense, units: 2, from: y}}
          sum: {{layer: add, from: [a, b, c]}}
        outputs: sum
    """)
    assert takes(plan) == {"a": "x", "b": "a", "c": "y", "sum": ["a", "b", "c"]}
    assert plan.outputs == "sum"


def test_arguments_can_be_given_by_name() -> None:
    plan = plan_of("""
        kind: functional
        inputs: {x: {shape: [4]}}
        nodes: {a: {layer: dropout, rate: 0.1, from: {inputs: x}}}
    """)
    assert takes(plan) == {"a": {"inputs": "x"}}


def test_a_layer_is_shared_by_call() -> None:
    plan = plan_of(f"""
        kind: functional
        inputs: {{x: {{shape: [4]}}, y: {{shape: [4]}}}}
        nodes:
          a: {{layer: dense, units: 2, from: x}}
          again: {{call: a, from: y}}
          sum: {{layer: add, from: [a, again]}}
          out: {DENSE}
        outputs: {{result: out}}
    """)
    assert [step.calls for step in plan.steps] == ["a", "a", "sum", "out"]
    assert plan.outputs == {"result": "out"}


def test_nodes_may_be_written_in_any_order() -> None:
    plan = plan_of("""
        kind: functional
        inputs: {x: {shape: [4]}}
        nodes:
          last: {layer: dense, units: 1, from: first}
          first: {layer: dense, units: 2, from: x}
        outputs: last
    """)
    assert [step.name for step in plan.steps] == ["first", "last"]


def test_after_moves_a_node() -> None:
    plan = plan_of(f"""
        kind: sequential
        layers: {{a: {DENSE}, b: {DENSE}, late: {{layer: flatten, after: a}}, later: {{layer: flatten, after: late}}}}
    """)
    assert [step.name for step in plan.steps] == ["a", "late", "later", "b"]


@pytest.mark.parametrize(("name", "names"), [("h{i}", ["h1", "h2", "h3"]), ("h", ["h_1", "h_2", "h_3"])])
def test_repeat_makes_several_of_a_node(name: str, names: list[str]) -> None:
    plan = plan_of(f"{{kind: sequential, layers: {{'{name}': {{layer: dense, units: 2, repeat: 3}}, out: {DENSE}}}}}")
    assert [step.name for step in plan.steps] == [*names, "out"]
    assert takes(plan)["out"] == names[-1]


def test_blocks_are_repeated_with_names_of_their_own() -> None:
    plan = plan_of("""
        kind: functional
        inputs: {x: {shape: [4]}}
        nodes:
          block:
            repeat: 2
            nodes:
              a: {layer: dense, units: 4}
              sum: {layer: add, from: [block_input, a]}
          out: {layer: concatenate, from: [block_1, block_2, block_1_a]}
        outputs: out
    """)
    assert takes(plan) == {
        "block_1_a": "x",
        "block_1_sum": ["x", "block_1_a"],
        "block_2_a": "block_1_sum",
        "block_2_sum": ["block_1_sum", "block_2_a"],
        "out": ["block_1_sum", "block_2_sum", "block_1_a"],
    }


def test_the_number_of_a_repetition_stands_in_its_values() -> None:
    plan = plan_of("""
        kind: functional
        inputs: {x: {shape: [4]}}
        nodes:
          a{i}: {layer: dense, units: 2, repeat: 2, from: x}
          b{i}: {layer: dense, units: 2, repeat: 2, from: "a{i}"}
          sum: {layer: add, from: [b1, b2]}
        outputs: sum
    """)
    assert takes(plan)["b1"] == "a1"
    assert takes(plan)["b2"] == "a2"


def test_names_in_what_is_taken() -> None:
    assert names_in("a") == ["a"]
    assert names_in(["a", "b"]) == ["a", "b"]
    assert names_in({"query": "a", "value": "b"}) == ["a", "b"]


FAULTS = {
    "an unknown kind": ("{kind: sequentail}", "model.kind='sequentail': expected 'sequential', 'functional' or"),
    "a key of no kind": (f"{{kind: sequential, layer: {{}}, layers: {{a: {DENSE}}}}}", "Did you mean 'layers'?"),
    "no layers": ("{kind: sequential, layers: {}}", "model.layers={}: expected a mapping from names to layers"),
    "an unknown layer": (
        "{kind: sequential, layers: {a: {layer: dens, units: 2}}}",
        "model.layers.a.layer='dens': no layer is named 'dens'. Did you mean 'dense'",
    ),
    "no layer's name": (
        "{kind: sequential, layers: {a: {layr: dense, units: 2}}}",
        "model.layers.a.layer is missing: it names the layer. Did you mean 'layr'?",
    ),
    "no mapping": ("{kind: sequential, layers: {a: dense}}", "model.layers.a='dense': expected a mapping that names"),
    "an unknown argument": (
        "{kind: sequential, layers: {a: {layer: dense, unitz: 2}}}",
        "model.layers.a.unitz=2: the layer 'dense' has no argument 'unitz'. Did you mean 'units'?",
    ),
    "a missing argument": (
        "{kind: sequential, layers: {a: {layer: dense}}}",
        "model.layers.a.units is missing: expected",
    ),
    "a wrong type": (
        "{kind: sequential, layers: {a: {layer: dense, units: many}}}",
        "model.layers.a.units='many': expected an integer",
    ),
    "an unknown initializer": (
        "{kind: sequential, layers: {a: {layer: dense, units: 2, kernel_initializer: he_norml}}}",
        "model.layers.a.kernel_initializer='he_norml': no initializer is named 'he_norml'. Did you mean 'he_normal'",
    ),
    "a wrong argument of an initializer": (
        "{kind: sequential, layers: {a: {layer: dense, units: 2, kernel_initializer: {initializer: zeros, a: 1}}}}",
        "model.layers.a.kernel_initializer.a=1: the initializer 'zeros' has no argument 'a'",
    ),
    "from in a sequential model": (
        "{kind: sequential, layers: {a: {layer: flatten, from: b}}}",
        "model.layers.a.from='b': only a functional model",
    ),
    "no shape": (f"{{kind: sequential, input: {{shap: [4]}}, layers: {{a: {DENSE}}}}}", "Did you mean 'shap'?"),
    "a bad shape": (
        f"{{kind: sequential, input: {{shape: [a]}}, layers: {{a: {DENSE}}}}}",
        "model.input.shape=['a']: expected a list, each item an integer or null",
    ),
    "after nothing": (
        "{kind: sequential, layers: {a: {layer: flatten, after: b}}}",
        "model.layers.a.after='b': no node there has this name",
    ),
    "a bad repeat": (
        "{kind: sequential, layers: {a: {layer: flatten, repeat: twice}}}",
        "model.layers.a.repeat='twice': expected how many times",
    ),
    "an unknown source": (
        "{kind: functional, inputs: {image: {shape: [4]}}, nodes: {a: {layer: flatten, from: imag}}}",
        "model.nodes.a.from='imag': no node or input has this name. Did you mean 'image'?",
    ),
    "a source of no kind": (
        "{kind: functional, inputs: {x: {shape: [4]}}, nodes: {a: {layer: flatten, from: 3}}}",
        "model.nodes.a.from=3: expected the name of a node or an input, a list of names",
    ),
    "no source": (
        "{kind: functional, inputs: {x: {shape: [4]}, y: {shape: [4]}}, nodes: {a: {layer: flatten}}}",
        "model.nodes.a: the model has several inputs, or none: say with `from` what this node takes",
    ),
    "a circle": (
        """
        kind: functional
        inputs: {x: {shape: [4]}}
        nodes: {a: {layer: flatten, from: b}, b: {layer: flatten, from: a}}
        """,
        "model.nodes: the nodes 'a', 'b' wait for each other in a circle",
    ),
    "an unused node": (
        "{kind: functional, inputs: {x: {shape: [4]}}, nodes: {a: {layer: flatten}, b: {layer: flatten}}, outputs: a}",
        "model.nodes.b: nothing uses the node 'b'",
    ),
    "an unused input": (
        """
        kind: functional
        inputs: {x: {shape: [4]}, y: {shape: [4]}}
        nodes: {a: {layer: flatten, from: x}}
        """,
        "model.inputs.y: nothing uses this input",
    ),
    "an unknown output": (
        "{kind: functional, inputs: {x: {shape: [4]}}, nodes: {a: {layer: flatten}}, outputs: {y: b}}",
        "model.outputs='b': no node or input has this name",
    ),
    "a call of nothing": (
        "{kind: functional, inputs: {x: {shape: [4]}}, nodes: {a: {call: b}}}",
        "model.nodes.a.call='b': no node or input has this name",
    ),
    "a call with arguments": (
        """
        kind: functional
        inputs: {x: {shape: [4]}}
        nodes: {a: {layer: flatten}, b: {call: a, units: 3}}
        """,
        "model.nodes.b.units=3: a node with `call` uses that layer as it is",
    ),
    "a key of a block": (
        "{kind: sequential, layers: {a: {units: 3, layers: {b: {layer: flatten}}}}}",
        "model.layers.a.units=3: a block has no key 'units'",
    ),
    "a name twice": (
        "{kind: sequential, layers: {a_b: {layer: flatten}, a: {layers: {b: {layer: flatten}}}}}",
        "a second node is named 'a_b'",
    ),
    "an unknown model": (
        "{kind: subclass, model: resnett}",
        "model.model='resnett': no model is named 'resnett'",
    ),
}


@pytest.mark.parametrize(("text", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_key(text: str, words: str) -> None:
    faults = faults_of(text)
    assert [fault for fault in faults if words in fault], faults


def test_all_faults_are_found_at_once() -> None:
    faults = faults_of("""
        kind: functional
        inputs: {x: {shape: [4]}, unused: {shape: 3}}
        nodes:
          a: {layer: dens, units: 3, from: x}
          b: {layer: dense, unitz: 3}
          c: {layer: dropout, rate: high, from: nowhere}
        outputs: b
    """)
    wanted = [
        "unused.shape=3",
        "a.layer='dens'",
        "b.unitz=3",
        "b.units is missing",
        "c.from='nowhere'",
        "inputs.unused",
    ]
    assert [part for part in wanted if not any(part in fault for fault in faults)] == []
