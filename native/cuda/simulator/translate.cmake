# cmake -DFROM=kernel.cu -DTO=kernel.cpp -P translate.cmake: the two things that no compiler of the host reads, in words
# that it does. Lines stay where they are.
file(READ ${FROM} text)
string(REPLACE ";" "\r" text "${text}")  # CMake's lists end items at semicolons

# kernel<T><<<grid, block, …>>>(arguments)
string(REGEX REPLACE "([A-Za-z_][A-Za-z0-9_]*)((<[A-Za-z0-9_, ]*>)?)<<<([^\r]*)>>>\\("
                     "::kigo::simulator::launcher(\"\\1\", \\4)([=](auto... a) { \\1\\2(a...)\r })(" text "${text}")
# extern __shared__ T name[];
string(REGEX REPLACE "extern __shared__ (__align__\\(16\\) )?([a-z: ]+) ([a-z]+)\\[\\]"
                     "\\2* const \\3 = static_cast<\\2*>(::kigo::simulator::dynamic_shared())" text "${text}")
string(REPLACE "\r" ";" text "${text}")
file(WRITE ${TO} "#line 1 \"${FROM}\"\n${text}")
