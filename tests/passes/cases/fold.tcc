// passes: fold
graph fold(%x: f32[n, 3]) {  // model.py:1
  %0: f32[] = literal(value=f32[] 2.0)  // model.py:2
  %1: f32[] = sqrt(%0)  // model.py:2
  %2: f32[3] = literal(value=f32[3] "w" [1.0, 2.0, 4.0])  // model.py:3
  %3: f32[3] = broadcast_to(%1, shape=(3,))  // model.py:3
  %4: f32[3] = multiply(%2, %3)  // model.py:3
  %5: f32[n, 3] = broadcast_to(%4, shape=(n, 3))  // model.py:4
  %6: f32[n, 3] = add(%x, %5)  // model.py:4
  %7: i64[] = literal(value=i64[] 3)  // model.py:5
  %8: i64[n, 3] = broadcast_to(%7, shape=(n, 3))  // model.py:5
  %9: i64[n, 3] = full(value=0, shape=(n, 3), dtype=i64)  // model.py:5
  %10: bool[n, 3] = equal(%8, %9)  // model.py:5
  %11: f32[n, 3] = where(%10, %6, %x)  // model.py:5
  return %11
}
