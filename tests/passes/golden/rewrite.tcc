graph rewrite(%x: f32[n, 3], %i: i32[n, 3]) {  // model.py:1
  %0: f32[] = literal(value=f32[] 0.0)  // model.py:9
  %1: f32[n, 3] = broadcast_to(%0, shape=(n, 3))  // model.py:9
  %2: f32[n, 3] = add(%x, %1)  // model.py:9
  %3: f32[] = literal(value=f32[] 0.25)  // model.py:10
  %4: f32[n, 3] = broadcast_to(%3, shape=(n, 3))  // model.py:10
  %5: f32[n, 3] = multiply(%2, %4)  // model.py:10
  %6: f32[n, 3] = square(%5)  // model.py:11
  return %i, %6
}
