// A stub: the type of a handle that c10's headers pass on.
#pragma once
typedef struct cublasLtContext* cublasLtHandle_t;
