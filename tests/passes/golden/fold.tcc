graph fold(%x: f32[n, 3]) {  // model.py:1
  %0: bool[] = literal(value=bool[] False)  // model.py:5
  %1: bool[n, 3] = broadcast_to(%0, shape=(n, 3))  // model.py:5
  %2: f32[3] = literal(value=f32[3] [1.4142135, 2.828427, 5.656854])  // model.py:3
  %3: f32[n, 3] = broadcast_to(%2, shape=(n, 3))  // model.py:4
  %4: f32[n, 3] = add(%x, %3)  // model.py:4
  %5: f32[n, 3] = where(%1, %4, %x)  // model.py:5
  return %5
}
