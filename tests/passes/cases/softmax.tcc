// passes: decompose, fold, rewrite, cse
graph softmax(%x: f32[n:1.., m]) {  // model.py:1
  %0: f32[n, m] = softmax(%x, axes=(0,))  // model.py:2
  return %0
}
