// A stub: PyTorch's wheels lack Gloo's headers, and of this one nothing is needed.
#pragma once
