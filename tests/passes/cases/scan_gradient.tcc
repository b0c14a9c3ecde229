// passes: gradient, fold, rewrite, cse
graph loss(%h: f32[d], %w: f32[d, d], %x: f32[t, d]) {  // model.py:1
  %0: f32[d], %1: f32[t, d] = scan(%h, %w, %x, body=graph step(%h: f32[d], %w: f32[d, d], %x: f32[d]) {  // model.py:2
    %0: f32[d] = dot_general(%w, %h, lhs_batch=(), rhs_batch=(), lhs_contract=(1,), rhs_contract=(0,))  // model.py:3
    %1: f32[d] = add(%0, %x)  // model.py:3
    %2: f32[d] = tanh(%1)  // model.py:3
    return %2, %2
  }, carries=1, consts=1, length=t, reverse=False)  // model.py:2
  %2: f32[] = sum(%1, axes=(0, 1))  // model.py:4
  return %2
}
