// passes: cse
graph cse(%x: f32[n]) {  // model.py:1
  %0: f32[n] = exp(%x)  // model.py:2
  %1: f32[n] = exp(%x)  // model.py:3
  %2: f32[n] = full(shape=(n,), value=0.0, dtype=f32)  // model.py:4
  %3: f32[n] = full(shape=(n,), value=-0.0, dtype=f32)  // model.py:5
  %4: f32[n] = add(%0, %2)  // model.py:6
  %5: f32[n] = add(%1, %3)  // model.py:7
  %6: f32[n] = multiply(%0, %1)  // model.py:8
  return %4, %5, %6
}
