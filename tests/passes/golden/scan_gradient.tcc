graph loss(%h: f32[d], %w: f32[d, d], %x: f32[t, d]) {  // model.py:1
  %0: f32[d], %1: f32[t, d], %2: f32[t, d] = scan(%h, %w, %x, body=graph step(%h: f32[d], %w: f32[d, d], %x: f32[d]) {  // model.py:2
    %0: f32[d] = dot_general(%w, %h, lhs_batch=(), rhs_batch=(), lhs_contract=(1,), rhs_contract=(0,))  // model.py:3
    %1: f32[d] = add(%0, %x)  // model.py:3
    %2: f32[d] = tanh(%1)  // model.py:3
    return %2, %2, %h
  }, carries=1, consts=1, length=t, reverse=False)  // model.py:2
  %3: f32[] = sum(%1, axes=(0, 1))  // model.py:4
  %4: f32[d] = full(shape=(d,), value=0.0, dtype=f32)  // model.py:2
  %5: f32[d, d] = full(shape=(d, d), value=0.0, dtype=f32)  // model.py:2
  %6: f32[t, d] = full(shape=(t, d), value=1.0, dtype=f32)  // model.py:4
  %7: f32[d], %8: f32[d, d], %9: f32[t, d] = scan(%4, %5, %w, %6, %1, %2, body=graph step_gradient(%g0: f32[d], %s1: f32[d, d], %w: f32[d, d], %g1: f32[d], %arg4: f32[d], %h: f32[d]) {  // model.py:2
    %0: f32[d] = add(%g0, %g1)  // model.py:2
    %1: f32[] = literal(value=f32[] 1.0)  // model.py:3
    %2: f32[d] = broadcast_to(%1, shape=(d,))  // model.py:3
    %3: f32[d] = subtract(%2, %arg4)  // model.py:3
    %4: f32[d] = add(%2, %arg4)  // model.py:3
    %5: f32[d] = multiply(%3, %4)  // model.py:3
    %6: f32[d] = multiply(%0, %5)  // model.py:3
    %7: f32[d] = dot_general(%6, %w, lhs_batch=(), rhs_batch=(), lhs_contract=(0,), rhs_contract=(0,))  // model.py:3
    %8: f32[d, d] = dot_general(%6, %h, lhs_batch=(), rhs_batch=(), lhs_contract=(), rhs_contract=())  // model.py:3
    %9: f32[d, d] = add(%s1, %8)  // model.py:2
    return %7, %9, %6
  }, carries=2, consts=1, length=t, reverse=True)  // model.py:2
  return %3, %7, %8, %9
}
