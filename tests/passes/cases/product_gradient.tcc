// passes: gradient, fold, rewrite, cse
graph loss(%w: f32[3, 4], %x: f32[n, 3]) {  // model.py:1
  %0: f32[n, 4] = dot_general(%x, %w, lhs_batch=(), rhs_batch=(), lhs_contract=(1,), rhs_contract=(0,))  // model.py:2
  %1: f32[n, 4] = tanh(%0)  // model.py:3
  %2: f32[] = sum(%1, axes=(0, 1))  // model.py:4
  return %2
}
