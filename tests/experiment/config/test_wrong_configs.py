"""Wrong configs: each ends with exit code 2 and one report that names key, expectation and origin; nothing is made."""

from pathlib import Path

import pytest

from labkeras.cli.main import main
from tests.helpers.processes import run_labkeras

# What is given on the command line, and words that the report must have.
OVERRIDES: list[tuple[str, list[str]]] = [
    # groups, names and keys that do not exist
    ("optimizr=adam", ["there is no key 'optimizr' in the config. Did you mean 'optimizer'"]),
    ("optimizer=adamm", ["no optimizer is named 'adamm'. Did you mean 'adam'", "[on the command line]"]),
    ("optimizer.lerning_rate=1", ["there is no key 'lerning_rate' in optimizer. Did you mean 'learning_rate'"]),
    ("optimizer=sgd optimizer.beta_1=0.9", ["there is no key 'beta_1' in optimizer"]),
    ("model=mpl", ["Did you mean 'mlp'"]),
    ("model.layers.h1.unitz=3", ["there is no key 'unitz' in model.layers.h1. Did you mean 'units'"]),
    ("model.layers.hh1.units=3", ["there is no key 'hh1' in model.layers. Did you mean 'h1'"]),
    ("model.layers.h1.units.more=3", ["model.layers.h1.units is a value, which has no keys"]),
    ("+model.layers.h1.unitz=3", ["model.layers.h1.unitz=3: the layer 'dense' has no argument 'unitz'", "'units'"]),
    ("+model.layers.more={layer: dens}", ["model.layers.more.layer='dens': no layer is named 'dens'", "'dense'"]),
    ("+model.layer={}", ["model.layer={}: a sequential model has no key 'layer'. Did you mean 'layers'"]),
    ("+model.kind=sequental", ["model.kind"]),
    ("model.kind=sequental", ["model.kind='sequental': expected 'sequential', 'functional'", "Did you mean"]),
    ("data=digts", ["no dataset is named 'digts'. Did you mean 'digits'"]),
    ("+data.size=3", ["data.size=3: the dataset 'digits' has no argument 'size'"]),
    ("loss=msee", ["no loss is named 'msee'. Did you mean 'mse'"]),
    ("metrics=[accuracy,aucc]", ["no metric is named 'aucc'. Did you mean 'auc'"]),
    ("callbacks=early_stoping", ["no callback is named 'early_stoping'. Did you mean 'early_stopping'"]),
    ("trainer=tpu", ["the group 'trainer' has no option 'tpu'", "cpu"]),
    ("experiment=digits_mpl", ["the group 'experiment' has no option 'digits_mpl'. Did you mean 'digits_mlp'"]),
    ("logger=tensorbord", ["the group 'logger' has no option 'tensorbord'. Did you mean 'tensorboard'"]),
    ("launcher=lokal", ["the group 'launcher' has no option 'lokal'. Did you mean 'local'"]),
    ("sweeper=tpee", ["the group 'sweeper' has no option 'tpee'. Did you mean 'tpe'"]),
    ("debug=plann", ["the group 'debug' has no option 'plann'. Did you mean 'plan'"]),
    ("fit.epoch=3", ["there is no key 'epoch' in fit. Did you mean 'epochs'"]),
    ("fit={epochs: 3, shufle: false}", ["there is no key 'shufle' in fit. Did you mean 'shuffle'"]),
    ("+fit.callbacks=[]", ["fit.callbacks=[]: `fit` has no argument 'callbacks'"]),
    ("+compile.jit=true", ["compile.jit=True: `compile` has no argument 'jit'"]),
    ("+trainer.max_tme=3", ["trainer.max_tme=3: `trainer` has no argument 'max_tme'. Did you mean 'max_time'"]),
    ("+trainer.max_epochs=3", ["trainer.max_epochs=3: `trainer` has no argument 'max_epochs'"]),
    ("sead=3", ["there is no key 'sead' in the config. Did you mean 'seed'"]),
    ("+colour=red", ["colour='red': there is no such key"]),
    ("model.layers.h1.activation=rellu", ["no activation is named 'rellu'. Did you mean 'relu'"]),
    ("model.layers.h1.kernel_initializer=glorot", ["no initializer is named 'glorot'", "glorot_"]),
    ("model.layers.h1.kernel_regularizer=l3", ["no regularizer is named 'l3'. Known: l1, l1l2, l2"]),
    ("model.layers.h1.kernel_constraint=max_nrm", ["no constraint is named 'max_nrm'. Did you mean 'max_norm'"]),
    ("+model.layers.h1._target_=os.system", ["`_target_` is not read; components are named"]),
    # types
    ("model.layers.h1.units=abc", ["model.layers.h1.units='abc': expected an integer", "on the command line]"]),
    ("model.layers.h1.units=[8]", ["model.layers.h1.units=[8]: expected an integer"]),
    ("model.layers.h1.use_bias=maybe", ["model.layers.h1.use_bias='maybe': expected true or false"]),
    ("model.layers.h1=5", ["model.layers.h1=5: expected a mapping that names the layer"]),
    ("seed=one", ["seed='one': expected an integer or null"]),
    ("run_dir=3", ["run_dir=3: expected a string or null"]),
    ("resume=often", ["resume='often': expected true or false"]),
    ("name=a/b", ["name='a/b': expected the name of a folder, without '/'"]),
    ("fit.epochs=2.5", ["fit.epochs=2.5: expected an integer"]),
    ("fit.shuffle=maybe", ["fit.shuffle='maybe': expected true or false"]),
    ("optimizer.learning_rate=fast", ["optimizer.learning_rate='fast': expected a number", "or a schedule"]),
    (
        "optimizer.learning_rate={schedule: cosine_dec}",
        ["no schedule is named 'cosine_dec'. Did you mean 'cosine_decay'"],
    ),
    ("optimizer.learning_rate={schedule: cosine_decay}", ["optimizer.learning_rate.decay_steps is missing"]),
    ("metrics.accuracy=3", ["metrics.accuracy=3: expected a mapping that names the metric"]),
    ("mode=maxi", ["mode='maxi': expected 'auto' or 'max' or 'min'. Did you mean 'max'"]),
    ("trainer.precision=17", ["trainer.precision=17: expected"]),
    ("checkpoint.every_seconds=often", ["checkpoint.every_seconds='often': expected"]),
    ("+checkpoint.every_hour=1", ["checkpoint.every_hour=1: `checkpoint` has no argument 'every_hour'"]),
    ("launcher=local launcher.workers=many", ["launcher.workers='many': expected an integer"]),
    # ranges and lengths
    ("fit.epochs=0", ["fit.epochs=0: expected an integer of at least 1 [on the command line]"]),
    ("fit.batch_size=-1", ["fit.batch_size=-1: expected an integer of at least 1"]),
    ("fit.validation_split=1.5", ["fit.validation_split=1.5: expected the fraction", "[0, 1)"]),
    ("seed=-1", ["seed=-1: expected an integer from 0 to 4294967295"]),
    ("model.layers.drop.rate=1.5", ["model.layers.drop.rate=1.5: "]),
    ("model.layers.h1.units=-3", ["model.layers.h1.units=-3: "]),
    ("model.input.shape=[8,-8]", ["model.input"]),
    ("optimizer=sgd optimizer.momentum=2", ["optimizer.momentum=2: "]),
    ("launcher=local launcher.workers=0", ["launcher.workers=0: expected an integer of at least 1"]),
    ("model=cnn model.layers.conv1.kernel_size=[3,3,3]", ["model.layers.conv1.kernel_size=[3, 3, 3]: "]),
    (
        "model=cnn model.layers.pool.pool_size=100",
        ["model.layers.pool: the input of layer 'pool' is smaller than its window", "(8, 8)"],
    ),
    # missing
    ("~optimizer", ["optimizer is missing: choose an option of the group, as in `optimizer=…`"]),
    ("~fit", ["fit is missing"]),
    ("model.layers.h1.units=???", ["model.layers.h1.units is missing: expected an integer"]),
    ("+model.layers.more={layer: dense}", ["model.layers.more.units is missing: expected an integer"]),
    ("+model.layers.more={units: 3}", ["model.layers.more.layer is missing: it names the layer"]),
    ("callbacks=model_checkpoint", ["callbacks.model_checkpoint.filepath is missing: expected a string or a path"]),
    ("~model.input.shape", ["model.input.shape is missing: it lists the sizes of the axes"]),
    ("fit.epochs=${nothing}", ["fit.epochs='${nothing}': Interpolation key 'nothing' not found"]),
    ("fit.epochs=${fit.epochs}", ["fit.epochs='${fit.epochs}': "]),
    # what contradicts
    ("fit.validation_split=0", ["monitor='val_accuracy': nothing is validated", "monitor 'accuracy'"]),
    ("monitor=loss fit.validation_split=0 fit.validation_steps=3", ["fit.validation_steps=3: contradicts"]),
    ("compile.run_eagerly=true compile.jit_compile=true", ["contradicts compile.run_eagerly=True"]),
    ("fit.initial_epoch=5 fit.epochs=5", ["fit.initial_epoch=5: contradicts fit.epochs=5"]),
    ("fit.validation_freq=20 fit.epochs=10", ["nothing is validated, since fit.validation_freq=20", "10 epochs"]),
    ("fit.steps_per_epoch=100", ["fit.steps_per_epoch=100: 1293 samples to train on make 41 batches of 32"]),
    ("fit.validation_split=0.9999", ["fit.validation_split=0.9999: leaves no samples for training out of 1437"]),
    ("fit.class_weight={12:2.0}", ["fit.class_weight={12: 2.0}: the labels have 10 classes", "no 12"]),
    ("monitor=val_acuracy", ["monitor='val_acuracy': no such value is logged. Did you mean 'val_accuracy'"]),
    ("callbacks.best_model.monitor=val_los", ["callbacks.best_model.monitor='val_los': no such value", "'val_loss'"]),
    ("metrics=none", ["monitor='val_accuracy': no such value is logged. Logged: loss, val_loss."]),
    # shapes
    ("model.layers.out.units=9", ["loss=", "the labels have 10 classes, from 0 to 9", "(None, 9) has scores for 9"]),
    ("model.input.shape=[9,9]", ["model.input.shape=[9, 9]: the data has samples of the shape [8, 8]"]),
    ("~model.layers.flat", ["loss=", "outputs of the shape (None, 8, 10) and targets of the shape (None,)"]),
    ("loss=mse", ["loss='mse': the output of the shape (None, 10) is compared with targets of the shape (None,)"]),
    ("loss=binary_crossentropy", ["its targets are 0 or 1, and the labels have 10 classes"]),
    ("metrics=[accuracy,auc]", ["metrics.auc='auc': cannot be applied to outputs of the shape (None, 10)"]),
    (
        "+model.layers.conv={layer: conv2d, filters: 3, kernel_size: 3}",
        ["model.layers.conv: input of layer 'conv'", "(None, 10)"],
    ),
    # graphs
    ("model=residual_cnn model.nodes.block.nodes.sum.from=[block_input,conv3]", ["'conv3': no node or input has this"]),
    ("model=residual_cnn +model.nodes.scale.from=channel", ["wait for each other in a circle; change a `from`"]),
    ("model=residual_cnn +model.nodes.scale.from=scal", ["model.nodes.scale.from='scal': no node or input", "'scale'"]),
    (
        "model=residual_cnn +model.nodes.odd={layer: dense, units: 3, from: flat, after: flat} "
        "+model.nodes.drop.from=flat",
        ["model.nodes.odd: nothing uses the node 'odd'"],
    ),
    ("model=residual_cnn model.outputs=oot", ["model.outputs='oot': no node or input has this name", "'out'"]),
    ("+model.layers.h2.from=h1", ["model.layers.h2.from='h1': only a functional model"]),
    ("+model.layers.h2.after=h7", ["model.layers.h2.after='h7': no node there has this name. Known: scale, flat, h1"]),
    ("+model.layers.h2.repeat=often", ["model.layers.h2.repeat='often': expected how many times"]),
    ("+loss.oot={loss: mse}", ["loss.oot"]),
    # devices
    ("trainer=gpu", ["trainer.accelerator='gpu': no GPU is visible. Take trainer=cpu", "[conf/trainer/gpu.yaml:2]"]),
    ("trainer.devices=0", ["trainer.devices=0: expected at least one device, or -1 for all"]),
    ("trainer=cpu trainer.devices=[0,1]", ["trainer.devices=[0, 1]: on the CPU expected how many processes"]),
    ("trainer.devices=[1,1]", ["trainer.devices=[1, 1]: expected different device numbers"]),
    ("trainer.devices=two", ["trainer.devices='two': expected 'auto', how many"]),
    ("trainer.accelerator=gpuu", ["trainer.accelerator='gpuu': there is no such accelerator. Did you mean 'gpu'"]),
    ("trainer.strategy=dpp", ["trainer.strategy='dpp': there is no such strategy. Did you mean 'ddp'"]),
    ("trainer.strategy=single_device trainer.devices=2", ["contradicts trainer.devices=2. Take 'ddp'"]),
    ("trainer=cpu trainer.precision=16-mixed", ["mixed precision in float16 needs a GPU", "'bf16-mixed'"]),
    # folders
    ("run_dir=file/run", ["run_dir='file/run': this folder cannot be made or written to", "is a file"]),
    ("run_dir=''", ["run_dir='': this folder cannot be made or written to: it is empty"]),
    # the grammar of overrides
    ("a=b=c", ["a=b=c: not of the form key=value that Hydra reads"]),
    ("digits_cnn", ["digits_cnn: not of the form key=value that Hydra reads"]),
    ("model.layers={a:", ["not of the form key=value that Hydra reads"]),
    ("seed=1,2", ["seed=1,2: several values are a sweep: add -m. A list has brackets: seed=[1,2]"]),
    ("+seed=3", ["+seed=3: ", "already"]),
    ("~model.layers.x", ["~model.layers.x: ", "does not exist"]),
]

SWEEPS: list[tuple[str, list[str]]] = [
    ("-m seed=range(3,3)", ["seed=range(3,3)"]),
    ("-m experiment=digits_mlp", ["nothing is swept"]),
    ("-m seed=1,2 run_dir=here", ["run_dir"]),
    ("-m optimizer=adam,admm", ["no optimizer is named 'admm'. Did you mean 'adam'"]),
    ("-m model.layers.h1.units=8,0", ["model.layers.h1.units=0: ", "(in 1 of 2 trials: model.layers.h1.units=0)"]),
    ("-m optimizer.learning_rate=0.1,fast", ["optimizer.learning_rate='fast': expected a number", "in 1 of 2 trials"]),
    ("-m model.layers.drop.rate=interval(0,3)", ["model.layers.drop.rate=3"]),
    ("-m fit.epoch=1,2", ["there is no key 'epoch' in fit. Did you mean 'epochs'"]),
]

FILES: list[tuple[str, list[str]]] = [
    ("seed: 1\nseed: 2\n", ["conf/experiment/mine.yaml:3: ", "duplicate key seed"]),
    ("seed: [1\n", ["conf/experiment/mine.yaml:", "no YAML that can be read"]),
    ("fit:\n  epochs: 3\n epoch: 3\n", ["conf/experiment/mine.yaml:4: ", "no YAML that can be read"]),
    ("fit:\n\tepochs: 3\n", ["conf/experiment/mine.yaml:3: ", "no YAML that can be read"]),
    (
        "seed: !!python/object/apply:os.system [ls]\n",
        ["conf/experiment/mine.yaml:2: ", "python/object/apply:os.system"],
    ),
    ("seed: *nothing\n", ["conf/experiment/mine.yaml:2: ", "undefined alias"]),
    ("- 1\n- 2\n", ["experiment/mine"]),
    ("seed: one\n", ["seed='one': expected an integer or null", "[conf/experiment/mine.yaml:2]"]),
    ("colour: red\n", ["colour='red': there is no such key", "[conf/experiment/mine.yaml:2]"]),
    ("fit:\n  epochs: 0\n", ["fit.epochs=0: ", "[conf/experiment/mine.yaml:3]"]),
    ("optimizer: sgd\n", ["optimizer='sgd': expected a mapping that names the optimizer", "mine.yaml:2]"]),
    (
        "optimizer: {lerning_rate: 1}\n",
        ["optimizer.lerning_rate=1: the optimizer 'adam' has no argument", "mine.yaml:2]"],
    ),
    (
        "defaults:\n  - override /optimizer: admm\n",
        ["optimizer=admm, in a defaults list: no optimizer is named 'admm'"],
    ),
    ("defaults:\n  - override /optimizr: adam\n", ["Could not override 'optimizr'", "Did you mean 'optimizer'"]),
    ("model: {layers: {h1: {units: 1.5}}}\n", ["model.layers.h1.units=1.5: expected an integer", "mine.yaml:2]"]),
    (
        "model: {layers: {h1: {_target_: os.system}}}\n",
        ["model.layers.h1._target_='os.system': `_target_` is not read"],
    ),
]


def refused(arguments: list[str], words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    code = main(["train", *arguments])
    said = capsys.readouterr()
    assert code == 2, said.err
    assert said.err.startswith("labkeras: ")
    assert said.err.count("in the configuration:") == 1
    assert "Traceback" not in said.err
    assert [one for one in words if one not in said.err] == [], said.err
    assert sorted(folder.rglob("*")) == before  # no folder of a run, no log


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; in it a file, on a machine without GPUs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("labkeras.experiment.config.device_checks.visible_gpus", lambda: 0)
    (tmp_path / "file").write_text("")
    return tmp_path


def parts(text: str) -> list[str]:
    """Overrides between spaces, but for those within brackets."""
    found: list[str] = []
    depth = 0
    for word in text.split(" "):
        if depth:
            found[-1] += f" {word}"
        else:
            found.append(word)
        depth += word.count("{") - word.count("}")
    return found


@pytest.mark.parametrize(("overrides", "words"), OVERRIDES, ids=[one for one, _ in OVERRIDES])
def test_a_wrong_override_is_refused(
    overrides: str, words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused([overrides] if overrides == "model.layers={a:" else parts(overrides), words, folder, capsys)


@pytest.mark.parametrize(("overrides", "words"), SWEEPS, ids=[one for one, _ in SWEEPS])
def test_a_wrong_sweep_is_refused(
    overrides: str, words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(parts(overrides), words, folder, capsys)


@pytest.mark.parametrize(("text", "words"), FILES, ids=[text for text, _ in FILES])
def test_a_wrong_file_is_refused(text: str, words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "conf" / "experiment").mkdir(parents=True)
    (folder / "conf" / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}")
    refused(["experiment=mine"], words, folder, capsys)


def test_all_that_is_wrong_is_in_one_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["optimizer=admm", "fit.epoch=3", "fit.batch_size=0", "seed=-1", "model.layers.out.units=9"]
    refused(wrong, ["5 faults in the configuration:", *wrong[:3], "seed=-1", "scores for 9"], folder, capsys)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["optimizer=admm"], "Did you mean 'adam'"),
        (["model.layers.h1.units=abc"], "expected an integer"),
        (["-m", "seed=1,x"], "seed='x': expected an integer or null"),
        (["model.layers.out.units=9"], "scores for 9"),
    ],
)
def test_a_command_of_its_own_is_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    outcome = run_labkeras(tmp_path, "train", *arguments)
    assert outcome.returncode == 2
    assert words in outcome.stderr
    # What installed plugins offer may be remembered there; nothing else is made.
    assert {path.name for path in tmp_path.iterdir()} <= {".cache"}
