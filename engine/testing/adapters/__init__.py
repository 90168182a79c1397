"""Checks of other frameworks' backward passes, which are `check_vjp` with the framework's tensors in place of arrays.

    check_torch_function(Swish, x)      a torch.autograd.Function, or any function of tensors
    check_torch_module(module, x)       a module: the gradients of its inputs and of every parameter
    check_jax(f, params, x)             a JAX function of any pytrees, such as one with a custom_vjp

Each is given what the function takes. The floating arrays among the arguments are moved, in float64 by default; all
else is passed through. A framework is imported when its check is called.

Read next: `engine/testing/adapters/adapted.py`, what the three have in common.
"""
