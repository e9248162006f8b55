"""What nbgrader has to know; run its commands from this folder."""

from copy import deepcopy

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_output
from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute


class Survive(Execute):
    """Run a submission to its end, whatever its cells do to the kernel.

    A cell that killed the kernel, or could not be interrupted, gets an error and no
    points; the notebook is run again from the top without it, and without those that
    never ended.
    """

    def preprocess(self, nb, resources=None, km=None):
        self.left_out = {}  # the error of each cell that is not run again
        while True:
            self.running = None
            try:
                return super().preprocess(deepcopy(nb), resources, km)
            except (DeadKernelError, CellTimeoutError) as error:
                if self.running is None or self.running in self.left_out:
                    raise  # it was no cell
                name, text = type(error).__name__, str(error).split("\n")[0]
                self.log.warning("Cell %d: %s Again without it", self.running, text)
                self.left_out[self.running] = new_output(
                    "error", ename=name, evalue=text, traceback=[f"{name}: {text}"]
                )

    def preprocess_cell(self, cell, resources, index):
        self.running = index
        if index in self.left_out:
            cell.outputs = [self.left_out[index]]
            return cell, resources
        done = super().preprocess_cell(cell, resources, index)
        for output in cell.get("outputs", ()):
            if output.get("ename") == CellTimeoutError.__name__:
                self.left_out[index] = output
        return done


c = get_config()  # noqa: F821  (nbgrader provides it)
c.CourseDirectory.course_id = "tts_lab"
c.Execute.timeout = 120  # seconds per cell; models run live
c.Autograde.autograde_preprocessors = [
    Survive if step is Execute else step
    for step in Autograde.class_traits()["autograde_preprocessors"].default()
]
