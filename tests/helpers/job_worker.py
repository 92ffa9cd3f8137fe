"""A worker of the local launcher whose jobs are scripts."""

import sys

from tests.helpers.jobs_as_scripts import install

if __name__ == "__main__":
    install()
    from labkeras.experiment.launchers import worker

    worker.main(sys.argv[1:])
