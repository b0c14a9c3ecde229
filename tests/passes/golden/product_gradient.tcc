graph loss(%w: f32[3, 4], %x: f32[n, 3]) {  // model.py:1
  %0: f32[n, 4] = dot_general(%x, %w, lhs_batch=(), rhs_batch=(), lhs_contract=(1,), rhs_contract=(0,))  // model.py:2
  %1: f32[n, 4] = tanh(%0)  // model.py:3
  %2: f32[] = sum(%1, axes=(0, 1))  // model.py:4
  %3: f32[] = literal(value=f32[] 1.0)  // model.py:3
  %4: f32[n, 4] = broadcast_to(%3, shape=(n, 4))  // model.py:3
  %5: f32[n, 4] = subtract(%4, %1)  // model.py:3
  %6: f32[n, 4] = add(%4, %1)  // model.py:3
  %7: f32[n, 4] = multiply(%5, %6)  // model.py:3
  %8: f32[3, 4] = dot_general(%x, %7, lhs_batch=(), rhs_batch=(), lhs_contract=(0,), rhs_contract=(0,))  // model.py:2
  %9: f32[n, 3] = dot_general(%7, %w, lhs_batch=(), rhs_batch=(), lhs_contract=(1,), rhs_contract=(1,))  // model.py:2
  return %2, %8, %9
}
