// passes: rewrite
graph rewrite(%x: f32[n, 3], %i: i32[n, 3]) {  // model.py:1
  %0: f32[] = literal(value=f32[] 1.0)  // model.py:2
  %1: f32[n, 3] = broadcast_to(%0, shape=(n, 3))  // model.py:2
  %2: f32[n, 3] = multiply(%1, %x)  // model.py:3
  %3: f32[n, 3] = negative(%2)  // model.py:4
  %4: f32[n, 3] = negative(%3)  // model.py:5
  %5: f32[3, n] = transpose(%4, axes=(1, 0))  // model.py:6
  %6: f32[n, 3] = transpose(%5, axes=(1, 0))  // model.py:7
  %7: i32[] = literal(value=i32[] 0)  // model.py:8
  %8: i32[n, 3] = broadcast_to(%7, shape=(n, 3))  // model.py:8
  %9: i32[n, 3] = add(%i, %8)  // model.py:8
  %10: f32[] = literal(value=f32[] 0.0)  // model.py:9
  %11: f32[n, 3] = broadcast_to(%10, shape=(n, 3))  // model.py:9
  %12: f32[n, 3] = add(%6, %11)  // model.py:9
  %13: f32[] = literal(value=f32[] 4.0)  // model.py:10
  %14: f32[n, 3] = broadcast_to(%13, shape=(n, 3))  // model.py:10
  %15: f32[n, 3] = divide(%12, %14)  // model.py:10
  %16: f32[] = literal(value=f32[] 2.0)  // model.py:11
  %17: f32[n, 3] = broadcast_to(%16, shape=(n, 3))  // model.py:11
  %18: f32[n, 3] = power(%15, %17)  // model.py:11
  return %9, %18
}
