"""The lesson: one hour in the browser, every curve trained live.

chapters   what each chapter may ask for, and the experiment that answers it
messages   what the page may say, checked by size and by schema
training   the process that trains; it never shares a thread with the page
hub        runs, shared by all who watch them
wire       what goes to the page: curve deltas as binary frames, the rest as JSON
app        the web application: page, WebSocket, headers
serve      starts both processes and opens the browser
"""
