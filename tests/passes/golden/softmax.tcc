graph softmax(%x: f32[n, m])
  sizes n: 1..
{  // model.py:1
  %0: f32[m] = max(%x, axes=(0,))  // model.py:2
  %1: f32[1, m] = reshape(%0, shape=(1, m))  // model.py:2
  %2: f32[1, m] = stop_gradient(%1)  // model.py:2
  %3: f32[n, m] = broadcast_to(%2, shape=(n, m))  // model.py:2
  %4: f32[n, m] = subtract(%x, %3)  // model.py:2
  %5: f32[n, m] = exp(%4)  // model.py:2
  %6: f32[m] = sum(%5, axes=(0,))  // model.py:2
  %7: f32[1, m] = reshape(%6, shape=(1, m))  // model.py:2
  %8: f32[1, m] = reciprocal(%7)  // model.py:2
  %9: f32[n, m] = broadcast_to(%8, shape=(n, m))  // model.py:2
  %10: f32[n, m] = multiply(%5, %9)  // model.py:2
  return %10
}
